using System.Numerics;
using System.Runtime.CompilerServices;

namespace Crosscore.Structures;

/// <summary>The buckets of a <see cref="ReadMostlyMap{TKey, TValue}"/>. Writers, one at a time, publish nodes and values by release stores; readers follow them with acquire loads and no lock.</summary>
internal sealed class MapTable<TKey, TValue>
    where TKey : notnull
    where TValue : class
{
    private const int FewestBuckets = 8;

    // Structs, because a reference to an element of an array of references costs a check of the array's type each time.
    private readonly Head[] _buckets;
    private readonly int _shift;

    public MapTable(int capacity)
    {
        int buckets = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(FewestBuckets, capacity));
        _buckets = new Head[buckets];
        _shift = 32 - BitOperations.Log2((uint)buckets);
    }

    public int BucketCount => _buckets.Length;

    /// <summary>The head of a bucket. The multiplication (Knuth, TAOCP 3, 6.4) spreads keys that differ in their upper bits or by a constant.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref MapNode<TKey, TValue>? Bucket(int hash) => ref _buckets[(int)(((uint)hash * 2654435769u) >> _shift)].First;

    public MapNode<TKey, TValue>? FirstOf(int bucket) => Volatile.Read(ref _buckets[bucket].First);

    /// <summary>The same entries in nodes of their own, for twice the buckets: a reader may still be following the links of these.</summary>
    public MapTable<TKey, TValue> Doubled()
    {
        var doubled = new MapTable<TKey, TValue>(2 * _buckets.Length);
        foreach (Head head in _buckets)
        {
            for (MapNode<TKey, TValue>? node = head.First; node is not null; node = node.Next)
            {
                ref MapNode<TKey, TValue>? bucket = ref doubled.Bucket(node.Hash);
                bucket = new MapNode<TKey, TValue>(node.Key, node.Hash, node.Value) { Next = bucket };
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
    /// <summary>Replaced in place.</summary>
    public TValue Value = value;

    public MapNode<TKey, TValue>? Next;

    public TKey Key => key;

    public int Hash => hash;
}
