namespace Crosscore.Code;

/// <summary>How changes are written into code that other threads may be executing.</summary>
public enum PatchMethod
{
    /// <summary>
    /// Each change is one store within aligned 8 bytes, and keeps the boundaries of instructions. Each takes effect by
    /// itself, in order of address. In strict mode on AMD's processors only, whose manual allows it (APM vol. 2,
    /// 7.6.1); in measured mode also on those on which it was measured.
    /// </summary>
    SingleStore,

    /// <summary>
    /// INT3 on each changed instruction, synchronize, the rest of the bytes, synchronize, the first bytes, synchronize.
    /// A thread that meets one is sent on without waiting: to the old instruction until all new bytes are in place,
    /// then to the new one. All changes take effect atomically.
    /// </summary>
    Breakpoint,

    /// <summary>
    /// The pages are exchanged for others with mmap(2). All changes take effect atomically. Measured, and promised by
    /// no manual, so not for strict mode.
    /// </summary>
    PageSwap,
}

/// <summary>What a patch will do, or has done.</summary>
/// <param name="Method">The method, the cheapest that is right.</param>
/// <param name="Reason">Why it is this one and no cheaper one.</param>
/// <param name="Sites">Instructions that change. A change that changes nothing has none.</param>
/// <param name="Synchronizations">Times that all cores are serialized, for all sites together.</param>
public sealed record PatchPlan(PatchMethod Method, string Reason, int Sites, int Synchronizations);
