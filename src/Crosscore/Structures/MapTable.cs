using System.Numerics;
using System.Runtime.CompilerServices;

namespace Crosscore.Structures;

/// <summary>
/// The buckets of a <see cref="ReadMostlyMap{TKey, TValue}"/>. Writers, one at a time, publish nodes and values by
/// release stores; readers follow them with acquire loads and no lock.
/// </summary>
internal sealed class MapTable<TKey, TValue>
    where TKey : notnull
    where TValue : class
{
    private const int MinBuckets = 8;
    private const int MaxBuckets = 1 << 30; // the largest power of two that an array may have elements

    // Structs, because a reference to an element of an array of references costs a check of the array's type each time.
    private readonly Head[] _buckets;
    private readonly int _shift; // how far a hash is shifted to become the index of a bucket

    public MapTable(int capacity)
    {
        int buckets = BucketsFor(capacity);
        _buckets = new Head[buckets];
        _shift = 32 - BitOperations.Log2((uint)buckets);
    }

    public int BucketCount => _buckets.Length;

    /// <summary>Gets the number of buckets of a table for a number of entries: a power of two.</summary>
    public static int BucketsFor(int capacity) =>
        (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(capacity, MinBuckets, MaxBuckets));

    /// <summary>Gets the next larger number of buckets, or the same number where there cannot be more.</summary>
    public static int Doubled(int buckets) => (int)Math.Min(2L * buckets, MaxBuckets);

    /// <summary>
    /// The head of a bucket. The multiplication (Knuth, TAOCP 3, 6.4) spreads keys that differ in their upper bits or
    /// by a constant.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref MapNode<TKey, TValue>? Bucket(int hash) =>
        ref _buckets[(int)(((uint)hash * 2654435769u) >> _shift)].First;

    public MapNode<TKey, TValue>? FirstOf(int bucket) => Volatile.Read(ref _buckets[bucket].First);

    /// <summary>Gets the values with their sizes, of a table to which nothing is added any more.</summary>
    public IEnumerable<(TValue Value, long Bytes)> Values
    {
        get
        {
            for (int bucket = 0; bucket < BucketCount; bucket++)
            {
                for (MapNode<TKey, TValue>? node = FirstOf(bucket); node is not null; node = node.Next)
                {
                    yield return (node.Value, node.Bytes);
                }
            }
        }
    }

    /// <summary>
    /// Copies the entries into new nodes and twice the buckets: a reader may still be following the links of the old
    /// nodes.
    /// </summary>
    public MapTable<TKey, TValue> Doubled()
    {
        var doubled = new MapTable<TKey, TValue>(Doubled(_buckets.Length));
        foreach (Head head in _buckets)
        {
            for (MapNode<TKey, TValue>? node = head.First; node is not null; node = node.Next)
            {
                ref MapNode<TKey, TValue>? bucket = ref doubled.Bucket(node.Hash);
                bucket = new MapNode<TKey, TValue>(node.Key, node.Hash, node.Value)
                {
                    Bytes = node.Bytes,
                    Next = bucket,
                };
            }
        }

        return doubled;
    }

    private struct Head
    {
        public MapNode<TKey, TValue>? First;
    }
}

internal sealed class MapNode<TKey, TValue>(TKey key, int hash, TValue value)
    where TKey : notnull
    where TValue : class
{
    /// <summary>The value, which writers replace in place.</summary>
    public TValue Value = value;

    /// <summary>The size of the value. Only the writer uses it.</summary>
    public long Bytes;

    public MapNode<TKey, TValue>? Next;

    public TKey Key => key;

    public int Hash => hash;
}
