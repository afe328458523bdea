using System.Runtime.CompilerServices;
using Crosscore.PerCpu.Advanced;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Receives what <see cref="PerCpuBuffer{T}.Drain"/> hands over: records in the order in which they were appended on
/// one CPU.
/// </summary>
/// <typeparam name="T">The record.</typeparam>
/// <param name="slot">The CPU, or the last slot for threads that have none.</param>
/// <param name="records">Valid during the call only.</param>
public delegate void PerCpuRecords<T>(int slot, ReadOnlySpan<T> records)
    where T : unmanaged;

/// <summary>
/// A buffer for records of events, one for each CPU: many threads append, without lock and without interlocked
/// instruction; one at a time drains. A record that finds no room is counted as lost, exactly.
/// </summary>
/// <remarks>
/// <para>Every append is delivered once or counted once in <see cref="Lost"/>. Records of one CPU come in the order of
/// their appends; between CPUs there is no order but what the records say themselves, a time for example. What a thread
/// stored before its append is seen by the thread that gets the record.</para>
/// <para>Draining does not disturb the CPUs that append: each has a ring with one writer and one reader. Memory belongs
/// to the garbage collector; there is nothing to dispose of.</para>
/// </remarks>
/// <typeparam name="T">The record: at most <see cref="SectionBuilder.MaxCopiedBytes"/> bytes, without
/// references.</typeparam>
/// <example>
/// <code>
/// var trace = new PerCpuBuffer&lt;long&gt;(capacityPerCpu: 4096);
/// bool hadRoom = trace.Append(Environment.TickCount64); // by any thread; trace.Lost counts those without room
/// long drained = trace.Drain((cpu, records) =&gt; written.AddRange(records)); // by one thread at a time
/// </code>
/// </example>
public sealed class PerCpuBuffer<T>
    where T : unmanaged
{
    private readonly bool _useSections;
    private readonly MembarrierSession _membarrier;
    private readonly SectionVariant _variant;
    private readonly int? _cpuSlots;
    private readonly Lock _draining = new();
    private readonly List<PerCpuRing<T>> _retired = []; // oldest first; replaced, but perhaps not empty
    private readonly PerCpuCounter _lost;
    private volatile PerCpuRing<T> _ring;

    /// <summary>
    /// Makes an empty buffer. The first per-CPU data that can be stopped registers for the restarting barrier, which
    /// takes 10 to 25 milliseconds.
    /// </summary>
    /// <param name="capacityPerCpu">How many records each CPU keeps until they are drained; 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1, or more than 2 GiB for a CPU or 1 TiB for all that
    /// may come online.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory, or there are no addresses for the slots.</exception>
    /// <exception cref="NotSupportedException">The record is larger than what a section may copy.</exception>
    public PerCpuBuffer(int capacityPerCpu)
        : this(capacityPerCpu, RestartableSequences.CanRestart, Membarrier.Session, SectionVariant.Shipped) { }

    internal PerCpuBuffer(int capacityPerCpu, bool useSections, MembarrierSession membarrier, SectionVariant variant)
        : this(capacityPerCpu, useSections, membarrier, variant, cpuSlots: null) { }

    internal PerCpuBuffer(
        int capacityPerCpu,
        bool useSections,
        MembarrierSession membarrier,
        SectionVariant variant,
        int? cpuSlots
    )
    {
        _useSections = useSections;
        _membarrier = membarrier;
        _variant = variant;
        _cpuSlots = cpuSlots;
        _ring = new PerCpuRing<T>(capacityPerCpu, useSections, membarrier, variant, cpuSlots);
        _lost = new PerCpuCounter(PerCpuIndex.Cpu, useSections, SectionVariant.Shipped, cpuSlots);
    }

    /// <summary>Gets the number of records that each CPU keeps until they are drained.</summary>
    public int CapacityPerCpu => _ring.Capacity;

    /// <summary>
    /// Gets whether threads append by sections here; otherwise rings are locked, and chosen by processor.
    /// <see cref="Resize"/> changes it if memory for the code of a section was refused when one of the two rings was
    /// made.
    /// </summary>
    public bool UsesSections => _ring.UsesSections;

    internal PerCpuSlots Slots => _ring.Area.Slots;

    /// <summary>
    /// Gets the number of records that found no room. Exact like the sum of a <see cref="PerCpuCounter"/>.
    /// </summary>
    public long Lost => _lost.Sum();

    /// <summary>Appends a record to the buffer of this CPU.</summary>
    /// <param name="record">It is copied.</param>
    /// <returns>False when there was no room; then it has been counted as lost.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Append(T record) => _ring.Append(record) is var code && (code == 0 || AppendLater(record, code));

    /// <summary>
    /// Hands over all records, CPU by CPU, and frees their room. A record that is appended concurrently may be handed
    /// over or stay for the next call.
    /// </summary>
    /// <param name="receive">Called for each run of records. If it throws, the records of that call stay, and are
    /// handed over again by the next drain.</param>
    /// <returns>How many records were handed over.</returns>
    /// <exception cref="LockRecursionException"><paramref name="receive"/> drains or resizes the same
    /// buffer.</exception>
    public long Drain(PerCpuRecords<T> receive)
    {
        ArgumentNullException.ThrowIfNull(receive);
        ThrowIfDraining();
        using (new HeldLock(_draining))
        {
            long count = 0;
            foreach (PerCpuRing<T> ring in _retired)
            {
                ring.TryStopForGood();
                count += ring.Drain(receive);
            }

            // One whose barrier failed stays: a section that had begun may still commit there, and its record must not
            // be lost.
            _ = _retired.RemoveAll(ring => ring.IsStopped);

            return count + _ring.Drain(receive);
        }
    }

    /// <summary>
    /// Gives every CPU another capacity. Nothing is lost: what is in the buffer now is handed over by the next
    /// <see cref="Drain"/>, before anything appended later on the same CPU. One membarrier with the RSEQ command stops
    /// the old buffer on all CPUs; no thread waits.
    /// </summary>
    /// <param name="capacityPerCpu">How many records each CPU keeps from now on; 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1, or more than 2 GiB for a CPU or 1 TiB for all that
    /// may come online. Nothing has changed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory, or there are no addresses for the slots. Nothing has
    /// changed.</exception>
    /// <exception cref="MembarrierException">The barrier failed. The new capacity holds, and nothing is lost: the old
    /// memory is kept and read by every drain, because a section that had begun may still commit there, until the
    /// barrier succeeds for one of them.</exception>
    /// <exception cref="LockRecursionException">Called from within <see cref="Drain"/>.</exception>
    public void Resize(int capacityPerCpu)
    {
        ThrowIfDraining();
        var successor = new PerCpuRing<T>(capacityPerCpu, _useSections, _membarrier, _variant, _cpuSlots);
        using (new HeldLock(_draining))
        {
            PerCpuRing<T> old = _ring;
            _retired.Add(old);
            _ring = successor; // before the old one is stopped: a thread that finds it stopped finds the successor
            old.StopForGood();
        }
    }

    private void ThrowIfDraining()
    {
        if (_draining.IsHeldByCurrentThread)
        {
            throw new LockRecursionException("The receiver of a drain cannot drain or resize the buffer.");
        }
    }

    /// <summary>Appends to the successor of a ring that was stopped, or counts the record as lost.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool AppendLater(T record, long code)
    {
        while (code is not (0 or StandardSections.Full))
        {
            code = _ring.Append(record); // the successor, which may have been replaced concurrently
        }

        if (code != 0)
        {
            _lost.Increment();
        }

        return code == 0;
    }
}
