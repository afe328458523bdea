namespace Crosscore.PerCpu;

/// <summary>
/// Counts measurements in buckets, each CPU on its own: what <see cref="PerCpuCounter"/> is to a count. A measurement
/// falls into the first bucket whose bound it does not exceed, or behind the last.
/// </summary>
/// <remarks>
/// A measurement is two adds, to its bucket and to the sum; a reading in between sees one of them. What was said of the
/// sum of a <see cref="PerCpuCounter"/> holds for each.
/// </remarks>
public sealed class PerCpuHistogram
{
    /// <summary>With the two words that are not for bounds, what a slot of less than 2 GiB has room for.</summary>
    private const int MaxBounds = (int.MaxValue / PerCpuSlots.Alignment * PerCpuSlots.Alignment / sizeof(long)) - 2;

    private readonly AddingSlots _slots; // a word for each bound, one for what exceeds all, one for the sum
    private readonly long[] _bounds;

    /// <summary>Makes a histogram without measurements.</summary>
    /// <param name="bounds">The upper bounds of the buckets, inclusive, in ascending order; at least one.</param>
    /// <exception cref="ArgumentException">There are no bounds, or they do not ascend.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are more than slots can hold.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the slots.</exception>
    public PerCpuHistogram(params ReadOnlySpan<long> bounds)
        : this(bounds, RestartableSequences.IsAvailable, cpuSlots: null) { }

    internal PerCpuHistogram(ReadOnlySpan<long> bounds, bool useSections, int? cpuSlots)
    {
        if (bounds.IsEmpty)
        {
            throw new ArgumentException("A histogram needs a bound.", nameof(bounds));
        }

        for (int bound = 1; bound < bounds.Length; bound++)
        {
            if (bounds[bound] <= bounds[bound - 1])
            {
                throw new ArgumentException(
                    $"Bounds ascend; {bounds[bound]} follows {bounds[bound - 1]}.",
                    nameof(bounds)
                );
            }
        }

        if (bounds.Length > MaxBounds)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bounds),
                bounds.Length,
                $"A histogram has at most {MaxBounds:N0} bounds."
            );
        }

        _bounds = bounds.ToArray();
        _slots = new AddingSlots(bounds.Length + 2, PerCpuIndex.Cpu, useSections, SectionVariant.Shipped, cpuSlots);
    }

    /// <summary>Gets the upper bounds of the buckets, inclusive.</summary>
    public ReadOnlySpan<long> Bounds => _bounds;

    /// <summary>Gets whether adds are sections; otherwise they are interlocked, striped by processor.</summary>
    public bool UsesSections => _slots.UsesSections;

    internal PerCpuSlots Slots => _slots.Slots;

    /// <summary>Counts a measurement.</summary>
    /// <param name="value">What was measured.</param>
    public void Record(long value)
    {
        _slots.Add(Bucket(value), 1);
        _slots.Add(_bounds.Length + 1, value);
    }

    /// <summary>
    /// Returns the number of measurements of each bucket, and in the last entry of those that exceed all bounds.
    /// </summary>
    public long[] Counts()
    {
        long[] counts = new long[_bounds.Length + 1];
        for (int bucket = 0; bucket < counts.Length; bucket++)
        {
            counts[bucket] = _slots.Sum(bucket);
        }

        return counts;
    }

    /// <summary>Returns the sum of all measurements; it wraps.</summary>
    public long Sum() => _slots.Sum(_bounds.Length + 1);

    private int Bucket(long value)
    {
        int found = Array.BinarySearch(_bounds, value);
        return found >= 0 ? found : ~found;
    }
}
