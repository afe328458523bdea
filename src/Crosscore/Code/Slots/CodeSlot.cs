namespace Crosscore.Code;

/// <summary>
/// A callable address whose code any thread replaces by one store, without a system call or an interruption, while any
/// number of threads call it. The address is a sealed stub that jumps to what a cell beside it holds; only the cell
/// changes.
/// </summary>
/// <remarks>
/// <para>A call that begins before the store runs the old code or the new, one that begins after it, as the memory
/// order of the processor has it, the new; never a mixture. A thread may be in the old code for as long as it takes:
/// <see cref="CodeReclaimer"/> says when it has left.</para>
/// <para>The address is valid until the end of the process: a slot takes 32 bytes and is never freed, because a thread
/// may have read the address and not have called it yet, which no grace period of code can notice.</para>
/// <para>All targets must have the same calling convention and signature: nothing here can check that.</para>
/// </remarks>
/// <example>
/// <code>
/// var slot = new CodeSlot(first.Address); // what threads call is slot.Address
/// slot.Target = second.Address; // one store: calls that begin after it run the second
/// CodeReclaimer.AfterSuspension.Retire(first); // unmapped when no thread can be in it any more
/// </code>
/// </example>
public sealed unsafe class CodeSlot
{
    private readonly SlotCell* _cell;

    /// <summary>Makes a slot.</summary>
    /// <param name="target">The code to begin with, as <see cref="InstalledCode.AddressOf(CodeFunction)"/> gives it, or
    /// any other function's address.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="target"/> is 0.</exception>
    /// <exception cref="CodeException">More memory for slots is needed and was refused.</exception>
    public CodeSlot(nint target)
    {
        ArgumentOutOfRangeException.ThrowIfZero(target);
        (Address, nint cell) = SlotTable.Take();
        _cell = (SlotCell*)cell;
        Volatile.Write(ref _cell->Target, target);
    }

    /// <summary>Gets the address to call; it never changes.</summary>
    public nint Address { get; }

    /// <summary>
    /// Gets or sets where a call goes. Setting it is a release store: a thread that calls through the slot and arrives
    /// at the new code sees all that was written before. On x86-64 that is so because the stub's load of the cell comes
    /// before what the code loads; on arm64 because the jump depends on it and the code was made fetchable by every
    /// core when it was installed.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The new target is 0.</exception>
    public nint Target
    {
        // SAFETY: cells are mapped for the life of the process, and aligned to 16 bytes, so the store is one and the
        // stub's load, which it pairs with, sees all of it or nothing. litmus/kernel/FreshCode.NoCall.litmus: code that
        // no core has fetched before needs no more than its publication.
        get => Volatile.Read(ref _cell->Target);
        set
        {
            ArgumentOutOfRangeException.ThrowIfZero(value);
            Volatile.Write(ref _cell->Target, value);
            _ = Interlocked.Increment(ref _cell->Swaps);
        }
    }

    /// <summary>
    /// Sets the target and returns the one that was replaced, for several threads that swap one slot and must each know
    /// which code they have replaced.
    /// </summary>
    /// <param name="target">The new target.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="target"/> is 0.</exception>
    public nint Exchange(nint target)
    {
        ArgumentOutOfRangeException.ThrowIfZero(target);
        nint old = Interlocked.Exchange(ref _cell->Target, target);
        _ = Interlocked.Increment(ref _cell->Swaps);
        return old;
    }
}
