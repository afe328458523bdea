using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// A counter that many threads add to and few read: an add costs about as much as an empty call, however many CPUs add
/// at the same time; a reading walks over the CPUs.
/// </summary>
/// <remarks>
/// <para>What a sum is: every add is in it as a whole or not at all. It contains every add that happened before it (the
/// thread that adds and the one that sums have synchronized in between, by a lock, a task, a join, or are the same),
/// and none that begins after it has returned. So once the adding threads have been waited for, the sum is exact. While
/// adds run it contains some of them; if none is negative, it lies between the true value at its beginning and at its
/// end. With adds of both signs it may be a value that the counter never had.</para>
/// <para>Memory: 128 bytes for each CPU that may ever come online; where that is more than 64 KiB, only the pages of
/// CPUs that add take memory (on Linux). There is nothing to dispose of.</para>
/// </remarks>
/// <example>
/// <code>
/// var requests = new PerCpuCounter();
/// requests.Increment(); // by any thread
/// long sum = requests.Sum(); // walks over the CPUs
/// </code>
/// </example>
public sealed class PerCpuCounter
{
    private readonly AddingSlots _slots;

    /// <summary>
    /// Makes a counter that is zero. If sections can run but memory for their code is refused now, this counter is
    /// striped.
    /// </summary>
    /// <exception cref="OutOfMemoryException">There is no memory for the slots.</exception>
    public PerCpuCounter()
        : this(PerCpuIndex.Cpu, RestartableSequences.IsAvailable, SectionVariant.Shipped) { }

    internal PerCpuCounter(PerCpuIndex index, bool useSections, SectionVariant variant, int? cpuSlots = null) =>
        _slots = new AddingSlots(1, index, useSections, variant, cpuSlots);

    /// <summary>Gets whether adds are sections; otherwise they are interlocked, striped by processor.</summary>
    public bool UsesSections => _slots.UsesSections;

    internal PerCpuSlots Slots => _slots.Slots;

    /// <summary>Adds a number.</summary>
    /// <param name="value">What; it may be negative. The sum wraps.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(long value) => _slots.Add(0, value);

    /// <summary>Adds 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Increment() => _slots.Add(0, 1);

    /// <summary>Adds -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Decrement() => _slots.Add(0, -1);

    /// <summary>Returns the sum of all adds; see the remarks of the type for those that run concurrently.</summary>
    public long Sum() => _slots.Sum(0);

    /// <summary>
    /// Reads how the sum is spread over the slots: by the number of the CPU, and in the last one what threads unknown
    /// to rseq(2) added.
    /// </summary>
    /// <param name="perSlot">Filled with as much as fits; <see cref="RestartableSequences.CpuSlots"/> + 1 entries are
    /// all.</param>
    /// <returns>The sum of all slots, also of those that did not fit.</returns>
    public long Read(Span<long> perSlot)
    {
        long sum = 0;
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            long value = _slots.Read(slot, 0);
            sum += value;
            if (slot < perSlot.Length)
            {
                perSlot[slot] = value;
            }
        }

        return sum;
    }
}
