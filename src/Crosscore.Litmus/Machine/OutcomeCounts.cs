using System.Numerics;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Counts outcomes as fast as they come: distinct ones are few, so they lie side by side and are found by a hash
/// without allocating anything for one seen before.
/// </summary>
/// <param name="width">Values in an outcome.</param>
internal sealed class OutcomeCounts(int width)
{
    private ulong[] _values = new ulong[16 * Math.Max(width, 1)];
    private long[] _counts = new long[16];
    private int[] _buckets = NewBuckets(64);

    /// <summary>
    /// Gets how many distinct outcomes there are; they are numbered from zero in the order of their first appearance.
    /// </summary>
    public int Distinct { get; private set; }

    /// <summary>Gets the values of an outcome.</summary>
    /// <param name="number">Its number.</param>
    public ReadOnlySpan<ulong> ValuesOf(int number) => _values.AsSpan(number * width, width);

    /// <summary>Gets how often it was counted.</summary>
    /// <param name="number">Its number.</param>
    public long CountOf(int number) => _counts[number];

    /// <summary>Counts an outcome.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="times">How often it was seen.</param>
    public void Count(int number, long times = 1) => _counts[number] += times;

    /// <summary>Gets the number of an outcome, new or known; its count does not change.</summary>
    /// <param name="values">Its values.</param>
    public int NumberOf(ReadOnlySpan<ulong> values)
    {
        int bucket = (int)Hash(values) & (_buckets.Length - 1);
        while (_buckets[bucket] >= 0)
        {
            int number = _buckets[bucket];
            if (ValuesOf(number).SequenceEqual(values))
            {
                return number;
            }

            bucket = (bucket + 1) & (_buckets.Length - 1);
        }

        return Add(values, bucket);
    }

    private int Add(ReadOnlySpan<ulong> values, int bucket)
    {
        int number = Distinct++;
        if (number == _counts.Length)
        {
            Array.Resize(ref _counts, 2 * _counts.Length);
            Array.Resize(ref _values, 2 * _values.Length);
        }

        values.CopyTo(_values.AsSpan(number * width));
        _buckets[bucket] = number;
        if (2 * Distinct > _buckets.Length)
        {
            Rehash();
        }

        return number;
    }

    private void Rehash()
    {
        _buckets = NewBuckets(2 * _buckets.Length);
        for (int number = 0; number < Distinct; number++)
        {
            int bucket = (int)Hash(ValuesOf(number)) & (_buckets.Length - 1);
            while (_buckets[bucket] >= 0)
            {
                bucket = (bucket + 1) & (_buckets.Length - 1);
            }

            _buckets[bucket] = number;
        }
    }

    private static uint Hash(ReadOnlySpan<ulong> values)
    {
        ulong hash = 0;
        foreach (ulong value in values)
        {
            // 2^64 over the golden ratio: spreads small numbers, which are nearly all there are, over the upper bits.
            hash = BitOperations.RotateLeft(hash, 5) ^ (value * 0x9E37_79B9_7F4A_7C15);
        }

        return (uint)(hash >> 32) ^ (uint)hash;
    }

    private static int[] NewBuckets(int length)
    {
        int[] buckets = new int[length];
        Array.Fill(buckets, -1);
        return buckets;
    }
}
