using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Memory with a slot for each possible CPU and one more, <see cref="Shared"/>, for threads that rseq(2) does not know.
/// Only slots that are used take memory (<see cref="SlotMemory"/>). It lives as long as this object: a caller that
/// holds it
/// may use the addresses, so nothing has to be disposed of and nothing can be used too late. Callers keep it alive past
/// their last access (<see cref="GC.KeepAlive"/>).
/// </summary>
internal sealed unsafe class PerCpuSlots
{
    /// <summary>
    /// Two cache lines: processors fetch the neighboring line too, so 64 bytes would still let two CPUs take a line
    /// from each other.
    /// </summary>
    public const int Alignment = 128;

    private readonly SlotMemory _memory;
    private readonly nint _locks; // 0 where slots are never locked

    /// <param name="bytes">The user's bytes in a slot.</param>
    /// <param name="canStop">Whether there is a word before them that stops the slot.</param>
    /// <param name="index">What selects the slot.</param>
    /// <param name="cpuSlots">How many CPUs are possible.</param>
    public PerCpuSlots(int bytes, bool canStop, PerCpuIndex index, int cpuSlots)
    {
        int header = canStop ? sizeof(long) : 0;
        long stride = ((long)bytes + header + Alignment - 1) / Alignment * Alignment;
        long slots = stride * (cpuSlots + 1);
        long all = slots + (canStop ? Alignment * (cpuSlots + 1L) : 0);
        if (stride > int.MaxValue || all > SlotMemory.MaxBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes),
                bytes,
                $"{cpuSlots + 1} slots of {bytes:N0} bytes: a slot has at most "
                    + $"{(int.MaxValue / Alignment * Alignment) - header:N0}, all of them {SlotMemory.MaxBytes:N0}."
            );
        }

        Shape = new SlotShape((int)stride, header, bytes, cpuSlots, index);
        _memory = new SlotMemory(all, Alignment, this);
        Base = _memory.Base;
        _locks = canStop ? Base + (nint)slots : 0;
    }

    public SlotShape Shape { get; }

    /// <summary>Gets the address of slot 0.</summary>
    public nint Base { get; }

    /// <summary>How many slots there are, the shared one included.</summary>
    public int Count => Shape.CpuSlots + 1;

    /// <summary>Gets the index of the slot of threads whose CPU is not known.</summary>
    public int Shared => Shape.CpuSlots;

    public nint Slot(int index) => Base + ((nint)index * Shape.Stride);

    /// <summary>Returns a word of the user's part, for reading it from outside while its CPU runs sections.</summary>
    public ref long Word(int index, int offset) =>
        // SAFETY: callers pass indexes below Count and offsets that lie in the slot; this object holds the memory.
        ref *(long*)(Slot(index) + Shape.Header + offset);

    /// <summary>Returns the word that makes sections leave at once while it is not zero.</summary>
    public ref long StopWord(int index) =>
        // SAFETY: only slots made with canStop are asked, and they begin with this word.
        ref *(long*)Slot(index);

    /// <summary>Whether only the slots that are used take memory.</summary>
    public bool IsMapped => _memory.IsMapped;

    /// <summary>
    /// Locks the slot against other threads that use no section there: any thread in the striped fallback, and threads
    /// that rseq(2) does not know in the shared slot. Nothing interrupts the wait: callers hold a record or a block.
    /// </summary>
    public void Lock(int index)
    {
        ref int word = ref LockWord(index);
        if (Volatile.Read(ref word) != 0 || Interlocked.CompareExchange(ref word, 1, 0) != 0)
        {
            WaitForLock(ref word);
        }
    }

    public void Unlock(int index) => Volatile.Write(ref LockWord(index), 0);

    private static void WaitForLock(ref int word)
    {
        using var backoff = new Backoff();
        while (Volatile.Read(ref word) != 0 || Interlocked.CompareExchange(ref word, 1, 0) != 0)
        {
            backoff.Pause();
        }
    }

    private ref int LockWord(int index) =>
        // SAFETY: callers pass indexes below Count of slots made with canStop; the words lie behind the slots in memory
        // that this object holds, each in its own line.
        ref *(int*)(_locks + ((nint)index * Alignment));
}
