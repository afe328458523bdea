using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.Structures;

/// <summary>
/// A hash map that is read all the time and written now and then, whose values need disposal: a value that was replaced
/// or removed is disposed of, or handed to a callback, when the last reader that may see it has left its section.
/// Readers take no lock and write nothing but their own section; writers replace values in place, one writer at a time.
/// </summary>
/// <remarks>
/// <para>A value must not be used after the section in which it was read; nothing can check that. For values that need
/// no disposal use <see cref="System.Collections.Concurrent.ConcurrentDictionary{TKey, TValue}"/>.</para>
/// <para>Each member but the enumeration is linearizable. Everything that was done before a value was put into the map
/// is visible to who finds it. Writers may be inside of a section. The map takes values over: one object must not be in
/// it twice, nor in another map.</para>
/// <para>A member that retires a value returns at once, unless a limit of the domain has been reached: then it waits
/// for room, as <see cref="RcuDomain.Retire(IDisposable, long)"/> does. <see cref="Clear"/> and <see cref="Dispose"/>
/// wait once at most, after the last value.</para>
/// <para>If it grows it allocates new nodes for all entries; it does not shrink, except by <see cref="Clear"/>. From
/// 2^30 buckets on it does not grow, so its chains do.</para>
/// <para>No member is broken off by <see cref="Thread.Interrupt"/>. A comparer that changes the map gets an
/// <see cref="InvalidOperationException"/>, which the member that called it throws: nothing was changed.</para>
/// </remarks>
/// <typeparam name="TKey">Its equality and hash code must not change while it is in the map.</typeparam>
/// <typeparam name="TValue">A class: values are exchanged by reference.</typeparam>
public sealed class ReadMostlyMap<TKey, TValue> : IDisposable
    where TKey : notnull
    where TValue : class
{
    // Three entries for four buckets.
    private const int LoadNumerator = 3;
    private const int LoadDenominator = 4;

    private readonly Lock _writing = new();
    private readonly ValueRetirement<TValue> _old;

    // Null for the default comparer of a value type, which the compiler can then inline.
    private readonly IEqualityComparer<TKey>? _comparer;

    private MapTable<TKey, TValue>? _table; // null when disposed of
    private int _count;

    /// <summary>Creates an empty map.</summary>
    /// <param name="domain">Whose sections protect readers; null for <see cref="RcuDomain.Default"/>.</param>
    /// <param name="comparer">How keys are compared; null for the default. It may read the map, not change it.</param>
    /// <param name="reclaim">What is done with an old value; null to dispose of it, if it is
    /// <see cref="IDisposable"/>.</param>
    /// <param name="size">
    /// How many bytes a value keeps occupied, for the limits of the domain; null for none, and less than none counts as
    /// none. Asked once for each value that is to be put into the map, before that and outside of every lock, so it may
    /// use the map;
    /// if it throws, the member that was called throws that, nothing was changed, and the value is still the caller's.
    /// The same if it leaves a read section of the domain open, with an <see cref="InvalidOperationException"/>.
    /// </param>
    public ReadMostlyMap(
        RcuDomain? domain = null,
        IEqualityComparer<TKey>? comparer = null,
        Action<TValue>? reclaim = null,
        Func<TValue, long>? size = null
    )
    {
        Domain = domain ?? RcuDomain.Default;
        _comparer = comparer ?? (typeof(TKey).IsValueType ? null : EqualityComparer<TKey>.Default);
        _old = new ValueRetirement<TValue>(Domain, reclaim, size);
        _table = new MapTable<TKey, TValue>(0);
    }

    /// <summary>Whose sections protect readers of this map.</summary>
    public RcuDomain Domain { get; }

    /// <summary>How many keys there were at one moment during the call.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Finds the value of a key. It is not disposed of before the section is left.</summary>
    /// <param name="section">A section of <see cref="Domain"/>.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="InvalidOperationException">The section is <c>default</c>, has been left, or belongs to another
    /// domain.</exception>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public bool TryGetValue(in RcuReadSection section, TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        section.Demand(Domain);
        return TryFind(key, out value);
    }

    /// <summary>The same in a section that may cross an await.</summary>
    /// <inheritdoc cref="TryGetValue(in RcuReadSection, TKey, out TValue)"/>
    public bool TryGetValue(RcuAsyncReadSection section, TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        ArgumentNullException.ThrowIfNull(section);
        section.Demand(Domain);
        return TryFind(key, out value);
    }

    /// <summary>Whether there is a value of this key. Needs no section.</summary>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public bool ContainsKey(TKey key) => TryFind(key, out _);

    /// <summary>Finds the value of a key, or makes one. It is not disposed of before the section is left.</summary>
    /// <param name="section">A section of <see cref="Domain"/>.</param>
    /// <param name="key">The key.</param>
    /// <param name="make"> Makes the value, outside of any lock, and so perhaps in vain: if another thread was quicker,
    /// that one's value is returned and this one is retired, unless they are the same object. It may use the map.
    /// </param>
    /// <exception cref="InvalidOperationException">As for
    /// <see cref="TryGetValue(in RcuReadSection, TKey, out TValue)"/>; or a value of null was made; or the function
    /// that makes values left a read section of the domain open, and the value that was made is retired.</exception>
    /// <exception cref="ObjectDisposedException">The map has been disposed of. A value that was made is
    /// retired.</exception>
    /// <exception cref="Exception">What the function that makes values or the one that tells their size threw; a value
    /// that was made is retired.</exception>
    public TValue GetOrAdd(in RcuReadSection section, TKey key, Func<TKey, TValue> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        section.Demand(Domain);
        return FindOrAdd(key, make);
    }

    /// <summary>The same in a section that may cross an await.</summary>
    /// <inheritdoc cref="GetOrAdd(in RcuReadSection, TKey, Func{TKey, TValue})"/>
    public TValue GetOrAdd(RcuAsyncReadSection section, TKey key, Func<TKey, TValue> make)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(make);
        section.Demand(Domain);
        return FindOrAdd(key, make);
    }

    /// <summary>Adds a key with its value.</summary>
    /// <returns>False if the key is there already; the value is still the caller's.</returns>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value is still the
    /// caller's.</exception>
    public bool TryAdd(TKey key, TValue value)
    {
        ArgumentNullException.ThrowIfNull(value);
        long bytes = _old.SizeOf(value);
        using HeldLock writing = Write();
        if (Find(Table, key, Hash(key)) is not null)
        {
            return false;
        }

        Add(key, value, bytes);
        return true;
    }

    /// <summary>Adds a key, or puts another value in place of the present one, which is retired.</summary>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value is still the
    /// caller's.</exception>
    public void Set(TKey key, TValue value)
    {
        ArgumentNullException.ThrowIfNull(value);
        long bytes = _old.SizeOf(value);
        TValue old;
        long oldBytes;
        using (Write())
        {
            MapNode<TKey, TValue>? node = Find(Table, key, Hash(key));
            if (node is null)
            {
                Add(key, value, bytes);
                return;
            }

            (old, oldBytes) = Exchange(node, value, bytes);
        }

        RetireUnlessSame(old, oldBytes, value);
    }

    /// <summary>
    /// Puts another value in place of the expected one, which is retired. The expected value must have been read in a
    /// section that the caller has not left, or another value could have been made of the same object.
    /// </summary>
    /// <returns>Whether the key had the expected value, by reference; if not, the value is still the
    /// caller's.</returns>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value is still the
    /// caller's.</exception>
    public bool TryUpdate(TKey key, TValue expected, TValue value)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(value);
        long bytes = _old.SizeOf(value);
        long oldBytes;
        using (Write())
        {
            MapNode<TKey, TValue>? node = Find(Table, key, Hash(key));
            if (node is null || node.Value != expected)
            {
                return false;
            }

            (_, oldBytes) = Exchange(node, value, bytes);
        }

        RetireUnlessSame(expected, oldBytes, value);
        return true;
    }

    /// <summary>Removes a key; its value is retired.</summary>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public bool TryRemove(TKey key)
    {
        TValue? old = null;
        long oldBytes = 0;
        using (Write())
        {
            int hash = Hash(key);
            ref MapNode<TKey, TValue>? link = ref Table.Bucket(hash);
            while (link is not null && old is null)
            {
                if (link.Hash == hash && AreEqual(link.Key, key))
                {
                    // The removed node keeps its link, so a reader that stands on it continues from there.
                    (old, oldBytes) = (link.Value, link.Bytes);
                    Volatile.Write(ref link, link.Next);
                    Volatile.Write(ref _count, _count - 1);
                }
                else
                {
                    link = ref link.Next;
                }
            }
        }

        if (old is null)
        {
            return false;
        }

        _old.Retire(old, oldBytes);
        return true;
    }

    /// <summary>Removes everything; all values are retired.</summary>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public void Clear()
    {
        MapTable<TKey, TValue> old;
        var empty = new MapTable<TKey, TValue>(0);
        using (Write())
        {
            old = Table;
            Replace(empty);
        }

        _old.RetireAll(old.Values);
    }

    /// <summary>
    /// The entries, for <c>foreach</c>, in no order. One that is in the map all the time is found once; one that comes
    /// or goes concurrently may be found or not. Values are not disposed of before the section is left.
    /// </summary>
    /// <inheritdoc cref="TryGetValue(in RcuReadSection, TKey, out TValue)" path="/exception"/>
    public EntryEnumerator Entries(in RcuReadSection section)
    {
        section.Demand(Domain);
        return new EntryEnumerator(Table);
    }

    /// <summary>The same in a section that may cross an await; the enumeration may not.</summary>
    /// <inheritdoc cref="Entries(in RcuReadSection)"/>
    public EntryEnumerator Entries(RcuAsyncReadSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        section.Demand(Domain);
        return new EntryEnumerator(Table);
    }

    /// <summary>Retires all values. Every later use throws; a second call does nothing.</summary>
    public void Dispose()
    {
        MapTable<TKey, TValue>? old;
        using (Write())
        {
            old = _table;
            Replace(null);
        }

        if (old is not null)
        {
            _old.RetireAll(old.Values);
        }
    }

    private MapTable<TKey, TValue> Table =>
        Volatile.Read(ref _table) ?? throw new ObjectDisposedException(nameof(ReadMostlyMap<,>));

    private TValue FindOrAdd(TKey key, Func<TKey, TValue> make)
    {
        if (TryFind(key, out TValue? found))
        {
            return found;
        }

        TValue made =
            _old.Make(make, key)
            ?? throw new InvalidOperationException(
                "ReadMostlyMap.GetOrAdd: the function made null, which is no value."
            );
        TValue? present = null;
        long bytes = 0;
        try
        {
            bytes = _old.SizeOf(made);
            using HeldLock writing = Write();
            MapNode<TKey, TValue>? node = Find(Table, key, Hash(key));
            if (node is null)
            {
                Add(key, made, bytes);
                present = made;
            }
            else
            {
                present = node.Value;
            }

            return present;
        }
        finally
        {
            // Also when it was the function that put its value into the map, or when it makes the same object for all
            // callers.
            RetireUnlessSame(made, bytes, present);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryFind(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        MapNode<TKey, TValue>? node = Find(Table, key, Hash(key));
        if (node is null)
        {
            value = null;
            return false;
        }

        // Acquire: pairs with the release stores of Set and TryUpdate, and for the first value with that of Add.
        value = Volatile.Read(ref node.Value);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private MapNode<TKey, TValue>? Find(MapTable<TKey, TValue> table, TKey key, int hash)
    {
        MapNode<TKey, TValue>? node = Volatile.Read(ref table.Bucket(hash));
        while (node is not null && !(node.Hash == hash && AreEqual(node.Key, key)))
        {
            node = Volatile.Read(ref node.Next);
        }

        return node;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Hash(TKey key) => typeof(TKey).IsValueType && _comparer is null ? key.GetHashCode() : HashBy(key);

    private int HashBy(TKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _comparer!.GetHashCode(key);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool AreEqual(TKey left, TKey right) =>
        typeof(TKey).IsValueType && _comparer is null
            ? EqualityComparer<TKey>.Default.Equals(left, right)
            : _comparer!.Equals(left, right);

    // For the holder of _writing, with a key that is not there.
    private void Add(TKey key, TValue value, long bytes)
    {
        MapTable<TKey, TValue> table = Table;
        if (_count == int.MaxValue)
        {
            throw new InvalidOperationException($"ReadMostlyMap: it holds {int.MaxValue} keys and cannot hold more.");
        }

        if (
            _count >= table.BucketCount / LoadDenominator * LoadNumerator
            && MapTable<TKey, TValue>.Doubled(table.BucketCount) > table.BucketCount
        )
        {
            table = table.Doubled();

            // A reader in the old table misses what is written from here on, and what it finds there is retired no
            // earlier than now, inside of its section.
            Volatile.Write(ref _table, table);
        }

        int hash = Hash(key);
        ref MapNode<TKey, TValue>? bucket = ref table.Bucket(hash);

        // A release store: a thread that finds the node finds its fields, and what was done to the value before.
        Volatile.Write(ref bucket, new MapNode<TKey, TValue>(key, hash, value) { Bytes = bytes, Next = bucket });
        Volatile.Write(ref _count, _count + 1);
    }

    private void Replace(MapTable<TKey, TValue>? table)
    {
        Volatile.Write(ref _table, table);
        Volatile.Write(ref _count, 0);
    }

    // For the holder of _writing.
    private static (TValue Old, long OldBytes) Exchange(MapNode<TKey, TValue> node, TValue value, long bytes)
    {
        (TValue, long) old = (node.Value, node.Bytes);
        Volatile.Write(ref node.Value, value);
        node.Bytes = bytes;
        return old;
    }

    private void RetireUnlessSame(TValue old, long bytes, TValue? value)
    {
        // The same object put in its own place is not old.
        if (old != value)
        {
            _old.Retire(old, bytes);
        }
    }

    /// <summary>The turn of one writer.</summary>
    /// <exception cref="InvalidOperationException">The thread is writing already: the comparer changes the
    /// map.</exception>
    private HeldLock Write() =>
        _writing.IsHeldByCurrentThread
            ? throw new InvalidOperationException(
                "ReadMostlyMap: the comparer changes the map that is comparing keys; it may only read it."
            )
            : new HeldLock(_writing);

    /// <summary>Walks the entries; see <see cref="Entries(in RcuReadSection)"/>.</summary>
    public ref struct EntryEnumerator
    {
        private readonly MapTable<TKey, TValue>? _table;
        private MapNode<TKey, TValue>? _node;
        private int _nextBucket;

        internal EntryEnumerator(MapTable<TKey, TValue> table) => _table = table;

        /// <summary>The present entry.</summary>
        public readonly KeyValuePair<TKey, TValue> Current => new(_node!.Key, Volatile.Read(ref _node.Value));

        /// <summary>Itself, for <c>foreach</c>.</summary>
        public readonly EntryEnumerator GetEnumerator() => this;

        /// <summary>Moves to the next entry.</summary>
        public bool MoveNext()
        {
            _node = _node is null ? null : Volatile.Read(ref _node.Next);
            while (_node is null && _nextBucket < (_table?.BucketCount ?? 0))
            {
                _node = _table!.FirstOf(_nextBucket++);
            }

            return _node is not null;
        }
    }
}
