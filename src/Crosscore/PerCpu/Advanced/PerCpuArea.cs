using Crosscore.Threads;

namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// Memory with a slot for each CPU, on which sections work: each on the slot of the CPU its thread runs on, without
/// lock or interlocked instruction. From outside, a slot is stopped, modified and resumed: <see cref="Stop"/>.
/// </summary>
/// <remarks>
/// The memory is freed when no object holds the area any more; there is nothing to dispose of. If all slots together
/// exceed 64 KiB, only the pages of used slots take memory (on Linux). If sections or the barrier that stops them are
/// unavailable, everything works on slots chosen by processor number, each under a lock (<see cref="UsesSections"/>).
/// </remarks>
public sealed class PerCpuArea
{
    private readonly MembarrierSession _membarrier;
    private readonly Lock _stopping = new();
    private volatile bool _stoppedForGood;

    /// <summary>
    /// Makes an area whose slots are all zero. The first in a process registers for the restarting barrier, which takes
    /// 10 to 25 milliseconds.
    /// </summary>
    /// <param name="bytesPerCpu">The size of a slot in bytes; a multiple of 8. Memory is used in steps of 128 bytes, 8
    /// of which are taken.</param>
    /// <param name="index">What selects the slot of a thread.</param>
    /// <exception cref="ArgumentOutOfRangeException">No multiple of 8, or more than 2 GiB or 1 TiB for all slots
    /// together; or there is no such index.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory, or there are no addresses for the slots.</exception>
    /// <exception cref="NotSupportedException">The concurrency id was requested and cannot be trusted here; see
    /// <see cref="RestartableSequences.ConcurrencyIdTrusted"/>.</exception>
    public PerCpuArea(int bytesPerCpu, PerCpuIndex index = PerCpuIndex.Cpu)
        : this(bytesPerCpu, index, RestartableSequences.CanRestart, Membarrier.Session, PossibleCpus.Slots) { }

    internal PerCpuArea(
        int bytesPerCpu,
        PerCpuIndex index,
        bool useSections,
        MembarrierSession membarrier,
        int cpuSlots
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesPerCpu);
        if (bytesPerCpu % sizeof(long) != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytesPerCpu),
                bytesPerCpu,
                "A slot consists of words of 8 bytes."
            );
        }

        if (index is not (PerCpuIndex.Cpu or PerCpuIndex.ConcurrencyId))
        {
            throw new ArgumentOutOfRangeException(nameof(index), index, "There is no such index.");
        }

        if (useSections && index == PerCpuIndex.ConcurrencyId && !RestartableSequences.ConcurrencyIdTrusted)
        {
            throw new NotSupportedException(
                "The kernel is not known to keep the concurrency id in the area that glibc registers (Linux 6.3 "
                    + "does). Use PerCpuIndex.Cpu."
            );
        }

        UsesSections = useSections;
        _membarrier = membarrier;
        Slots = new PerCpuSlots(bytesPerCpu, canStop: true, index, cpuSlots);
    }

    /// <summary>Gets the size of a slot in bytes.</summary>
    public int BytesPerCpu => Slots.Shape.Bytes;

    /// <summary>
    /// Gets the number of slots: one for each CPU that may ever come online, by its number, and a last one for threads
    /// that rseq(2) does not know.
    /// </summary>
    public int SlotCount => Slots.Count;

    /// <summary>Gets whether threads work by sections here; otherwise slots are locked.</summary>
    public bool UsesSections { get; }

    internal PerCpuSlots Slots { get; }

    internal bool IsStoppedForGood => _stoppedForGood;

    /// <summary>Begins a section for slots of this size.</summary>
    public SectionBuilder NewSection() => new(Slots.Shape);

    /// <summary>
    /// Reads a word of a slot while its CPU runs sections. The reader sees what was stored before the commit that
    /// stored the value it gets.
    /// </summary>
    /// <param name="slot">0 to <see cref="SlotCount"/> - 1.</param>
    /// <param name="offset">In bytes, a multiple of 8.</param>
    /// <exception cref="ArgumentOutOfRangeException">The slot or the offset is out of range.</exception>
    public long Read(int slot, int offset)
    {
        Check(slot);
        if (offset < 0 || offset > BytesPerCpu - sizeof(long) || offset % sizeof(long) != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                offset,
                $"A slot has words at the multiples of 8 from 0 to {BytesPerCpu - sizeof(long)}."
            );
        }

        long value = Volatile.Read(ref Slots.Word(slot, offset));
        GC.KeepAlive(this);
        return value;
    }

    /// <summary>
    /// Stops the sections of a slot and returns it as the caller's own until it is disposed of. No section that began
    /// before commits after the return; those that come concurrently wait. The caller sees every commit made before.
    /// </summary>
    /// <remarks>
    /// Costs one membarrier with the RSEQ command, aimed at the CPU: about a microsecond, one interrupt if a thread of
    /// this process is running there and none otherwise. The calling thread needs no permission to run on that CPU. A
    /// CPU that is offline runs no section; a thread that was on it when it went is restarted where it comes back. Keep
    /// the time short; only one slot of an area is stopped at a time.
    /// </remarks>
    /// <param name="slot">0 to <see cref="SlotCount"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The slot is out of range.</exception>
    /// <exception cref="LockRecursionException">This thread has stopped a slot of this area already.</exception>
    /// <exception cref="MembarrierException">The barrier failed; the slot is as if it had not been asked
    /// for.</exception>
    public StoppedSlot Stop(int slot)
    {
        Check(slot);
        if (_stopping.IsHeldByCurrentThread)
        {
            throw new LockRecursionException(
                "This thread has stopped a slot of this area already. Dispose of that one first."
            );
        }

        using (var waiting = new Uninterrupted())
        {
            waiting.Enter(_stopping);
        }

        try
        {
            StopSections(slot);
        }
        catch
        {
            Release(slot);
            throw;
        }

        return new StoppedSlot(this, slot);
    }

    /// <summary>
    /// Stops all slots permanently: no section commits after the return, and none begins. A caller that has no other
    /// sign finds out by <see cref="IsStoppedForGood"/>.
    /// </summary>
    internal void StopForGood()
    {
        using (new HeldLock(_stopping))
        {
            _stoppedForGood = true;
            for (int slot = 0; slot < SlotCount; slot++)
            {
                // Pairs with the first steps of every section, as in StopSections; one barrier for all.
                Volatile.Write(ref Slots.StopWord(slot), 1);
                Slots.Lock(slot);
                Slots.Unlock(slot);
            }

            if (UsesSections)
            {
                _membarrier.RestartOnPossible("PerCpuArea.StopForGood()", -1);
            }
        }

        GC.KeepAlive(this);
    }

    /// <summary>Another area of this size, whose threads use no sections.</summary>
    internal PerCpuArea Striped() =>
        new(BytesPerCpu, Slots.Shape.Index, useSections: false, _membarrier, Slots.Shape.CpuSlots);

    internal void Resume(int slot)
    {
        Release(slot);
        GC.KeepAlive(this);
    }

    internal void WaitWhileStopped()
    {
        if (_stopping.IsHeldByCurrentThread)
        {
            throw new InvalidOperationException(
                "This thread has stopped the slot itself and would wait for itself. Dispose of the stopped slot first."
            );
        }

        // The thread that has stopped the slot holds the lock until it releases the slot.
        new HeldLock(_stopping).Dispose();
    }

    /// <summary>
    /// Chooses and locks the slot of a thread that uses no section. In the fallback those are all, and each takes the
    /// slot of its processor; otherwise only threads unknown to rseq(2).
    /// </summary>
    internal int EnterWithoutSection()
    {
        int index = UsesSections ? Slots.Shared : Thread.GetCurrentProcessorId() % Slots.Shape.CpuSlots;
        Slots.Lock(index);
        return index;
    }

    private void StopSections(int slot)
    {
        // Pairs with the first steps of every section (SectionEmitter): they load the number of the CPU, then this
        // word, then the data. If a section on that CPU began before the barrier reaches it, it is restarted and then
        // sees the word; if it began after, it sees the word because the barrier orders this store before it
        // (2ecedd756908 makes the command a full barrier in every kernel that has it). Without the barrier a section
        // may have loaded 0 long ago and commit while the slot is being worked on: PerCpuAreaTests shows it with a
        // kernel that does nothing, litmus/kernel/PerCpu.Take and PerCpu.Steal on every design, with their twins.
        Volatile.Write(ref Slots.StopWord(slot), 1);
        bool hasCpu = slot < Slots.Shape.CpuSlots;
        if (UsesSections && hasCpu)
        {
            _membarrier.RestartOnPossible("PerCpuArea.Stop", Slots.Shape.Index == PerCpuIndex.Cpu ? slot : -1);
        }

        // A thread that works without a section has looked at the word under this lock: it has seen it, or it is out
        // before we get the lock.
        Slots.Lock(slot);
        Slots.Unlock(slot);
    }

    private void Release(int slot)
    {
        // A release: a section that sees 0 sees all that was done to the slot. Pairs with the section's load of the
        // word, before its loads of the data. litmus/kernel/PerCpu.Take.ClearedFirst stores it too early.
        Volatile.Write(ref Slots.StopWord(slot), 0);
        _stopping.Exit();
    }

    private void Check(int slot)
    {
        if (slot < 0 || slot >= SlotCount)
        {
            throw new ArgumentOutOfRangeException(nameof(slot), slot, $"The area has slots 0 to {SlotCount - 1}.");
        }
    }
}
