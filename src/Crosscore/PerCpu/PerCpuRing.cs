using System.Runtime.CompilerServices;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.PerCpu;

/// <summary>
/// A ring of records in each slot: sections of its CPU write, one thread at a time reads, neither waits for the other.
/// Of fixed capacity; a buffer that is resized replaces it.
/// </summary>
internal sealed unsafe class PerCpuRing<T>
    where T : unmanaged
{
    /// <summary>Bytes of records in a slot.</summary>
    private const int MaxBytes = int.MaxValue - (3 * PerCpuSlots.Alignment);

    private readonly PerCpuArea _area;
    private readonly RingLayout _layout;
    private readonly nint _base;
    private readonly delegate* unmanaged[SuppressGCTransition]<nint, nint, long> _append;

    /// <param name="capacity">Records for each slot.</param>
    /// <param name="useSections">False for the striped fallback. True is a request: if memory for the code is refused
    /// now, this ring is striped.</param>
    /// <param name="membarrier">What stops the sections.</param>
    /// <param name="variant">What a test changes, or <see cref="SectionVariant.Shipped"/>.</param>
    /// <param name="cpuSlots">How many CPUs are possible; those of this machine where a test says nothing.</param>
    public PerCpuRing(
        int capacity,
        bool useSections,
        MembarrierSession membarrier,
        SectionVariant variant,
        int? cpuSlots = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        if (sizeof(T) > SectionBuilder.MaxCopiedBytes)
        {
            throw new NotSupportedException(
                $"A record of {sizeof(T)} bytes is more than the {SectionBuilder.MaxCopiedBytes} that a section "
                    + "copies. Keep large data elsewhere and append its address."
            );
        }

        long bytes = (capacity + 1L) * sizeof(T); // one place stays free, or full would look like empty
        long slot = (RingLayout.Data + bytes + sizeof(long) - 1) / sizeof(long) * sizeof(long);
        if (bytes > MaxBytes)
        {
            throw new ArgumentOutOfRangeException(
                nameof(capacity),
                capacity,
                $"Records of {sizeof(T)} bytes: at most {(MaxBytes / sizeof(T)) - 1:N0} for each CPU."
            );
        }

        Capacity = capacity;
        _layout = new RingLayout(sizeof(T), (int)bytes);
        int cpus = cpuSlots ?? PossibleCpus.Slots;
        _area = new PerCpuArea((int)slot, PerCpuIndex.Cpu, useSections, membarrier, cpus);
        if (useSections)
        {
            _append = (delegate* unmanaged[SuppressGCTransition]<nint, nint, long>)
                InstalledSections.TryInstall(StandardSections.Append(_area.Slots.Shape, _layout), variant);
            if (_append == null)
            {
                // An area all of whose threads come without a section would put them all into one slot.
                _area = new PerCpuArea((int)slot, PerCpuIndex.Cpu, useSections: false, membarrier, cpus);
            }
        }

        _base = _area.Slots.Base;
    }

    public bool UsesSections => _area.UsesSections;

    public PerCpuArea Area => _area;

    public int Capacity { get; }

    /// <summary>
    /// Gets whether it is certain that nothing is appended any more, so that the next drain is the last.
    /// </summary>
    public bool IsStopped { get; private set; }

    /// <summary>
    /// Appends a record. Returns 0, or <see cref="StandardSections.Full"/>, or <see cref="SectionExit.Stopped"/> when
    /// this ring has a successor.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Append(T record)
    {
        // SAFETY: the code was made for slots of this shape and records of this size; the record is a copy on this
        // thread's stack, which does not move.
        long code = _append != null ? _append(_base, (nint)(&record)) : SectionExit.NoSlot;
        GC.KeepAlive(this);
        return code == SectionExit.NoSlot ? AppendWithoutSection(record) : code;
    }

    /// <exception cref="MembarrierException">The barrier failed: a section that had begun may still commit.</exception>
    public void StopForGood()
    {
        _area.StopForGood();
        IsStopped = true;
    }

    /// <summary>Tries again if it failed before; <see cref="IsStopped"/> tells.</summary>
    public void TryStopForGood()
    {
        if (!IsStopped)
        {
            try
            {
                StopForGood();
            }
            catch (MembarrierException)
            {
                // Refused still; the ring stays, and so may its next records.
            }
        }
    }

    public long Drain(PerCpuRecords<T> receive)
    {
        long count = 0;
        for (int slot = 0; slot < _area.SlotCount; slot++)
        {
            count += Drain(slot, receive);
        }

        return count;
    }

    private long Drain(int slot, PerCpuRecords<T> receive)
    {
        long count = 0;
        ref long read = ref _area.Slots.Word(slot, RingLayout.Read);
        // An acquire: a thread that sees this position sees the records before it. Pairs with the commit of
        // StandardSections.Append, which stores it after them:
        // litmus/percpu/Ring, and Ring.PositionFirst, which stores it before.
        long written = Volatile.Read(ref _area.Slots.Word(slot, RingLayout.Written));
        while (read != written)
        {
            long end = read < written ? written : _layout.Bytes;
            int records = (int)((end - read) / sizeof(T));
            // SAFETY: a stretch of whole records in the ring, which no section writes until the position of the reader
            // passes it; the area is held by this object.
            receive(
                slot,
                new ReadOnlySpan<T>(
                    (void*)(_area.Slots.Slot(slot) + _area.Slots.Shape.Header + RingLayout.Data + (nint)read),
                    records
                )
            );
            count += records;
            // A release: the section that sees this position finds the records read. Pairs with its load of it before
            // the copy (a store is never made before an earlier load).
            Volatile.Write(ref read, end == _layout.Bytes ? 0 : end);
        }

        GC.KeepAlive(this);
        return count;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long AppendWithoutSection(T record)
    {
        int slot = _area.EnterWithoutSection();
        try
        {
            if (Volatile.Read(ref _area.Slots.StopWord(slot)) != 0)
            {
                return SectionExit.Stopped;
            }

            ref long position = ref _area.Slots.Word(slot, RingLayout.Written);
            long written = position;
            long next = written + sizeof(T) == _layout.Bytes ? 0 : written + sizeof(T);
            if (next == Volatile.Read(ref _area.Slots.Word(slot, RingLayout.Read)))
            {
                return StandardSections.Full;
            }

            // SAFETY: the place of one record, which is not the reader's yet; positions are kept inside the ring by
            // the line above.
            Unsafe.WriteUnaligned(
                (void*)(_area.Slots.Slot(slot) + _area.Slots.Shape.Header + RingLayout.Data + (nint)written),
                record
            );
            Volatile.Write(ref position, next); // a release, which Drain pairs with
            return 0;
        }
        finally
        {
            _area.Slots.Unlock(slot);
            GC.KeepAlive(this);
        }
    }
}
