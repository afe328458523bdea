namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// The stack frame of a running column, as offsets from rsp. The column owns all registers but one or two, so whatever
/// the loop around it must remember from one iteration to the next lies here, in the cache of its core.
/// </summary>
internal static class Frame
{
    /// <summary>Where the thread's control block is.</summary>
    public const int Control = 0;

    /// <summary>Where the block shared by all threads is; its first word asks all threads to leave.</summary>
    public const int Shared = 8;

    /// <summary>The memory of the current iteration.</summary>
    public const int Instance = 16;

    /// <summary>What the kernel answered to a membarrier that it refused.</summary>
    public const int Answer = 24;

    /// <summary>The fast side's progress before the slow side's call, and after it.</summary>
    public const int ProgressBefore = 32;

    /// <inheritdoc cref="ProgressBefore"/>
    public const int ProgressAfter = 40;

    /// <summary>Six slots for the registers that a system call uses.</summary>
    public const int Saved = 48;

    /// <summary>The first slot that a loop may use as it likes.</summary>
    public const int Loop = 96;

    /// <summary>Slots of a loop, eight bytes each.</summary>
    public const int LoopSlots = 17;

    /// <summary>
    /// Bytes of the whole. Six registers and the return address above it make seven slots; an odd number here keeps rsp
    /// at a multiple of 16 (System V AMD64 ABI 3.2.2), although nothing is called.
    /// </summary>
    public const int Size = Loop + (8 * LoopSlots);
}
