using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Rcu;

namespace Crosscore.Structures;

/// <summary>
/// A hash map that is read often and written rarely, and whose values need disposal: a value that was replaced or
/// removed is disposed of, or passed to a callback, when the last reader that may see it has left its section. Readers
/// take no lock and write nothing but their own section; writers replace values in place, one writer at a time.
/// </summary>
/// <remarks>
/// <para>A value must not be used after the section in which it was read; nothing can check that. For values that need
/// no disposal use <see cref="System.Collections.Concurrent.ConcurrentDictionary{TKey, TValue}"/>.</para>
/// <para>Each member but the enumeration is linearizable. Everything that was done before a value was put into the map
/// is visible to a thread that finds it. Writers may be inside of a section. The map owns its values: one object must
/// not be in it twice, nor in another map.</para>
/// <para>A member that retires a value returns at once, unless a limit of the domain has been reached: then it waits
/// for room, as <see cref="RcuDomain.Retire(IDisposable, long)"/> does. <see cref="Clear"/> and <see cref="Dispose"/>
/// wait once at most, after the last value.</para>
/// <para>A map that grows allocates new nodes for all entries; it does not shrink, except by <see cref="Clear"/>. From
/// 2^30 buckets on it does not grow, and its chains become longer.</para>
/// <para><see cref="Thread.Interrupt"/> breaks off no member. A comparer that changes the map gets an
/// <see cref="InvalidOperationException"/>, which the member that called it throws: nothing was changed.</para>
/// <para>This file has what readers call, ReadMostlyMap.Writing.cs what writers call.</para>
/// </remarks>
/// <example>
/// <code>
/// using var map = new ReadMostlyMap&lt;string, MemoryStream&gt;(domain);
/// map.Set("first", new MemoryStream(100));
/// using (RcuReadSection section = domain.EnterReadSection())
/// {
///     if (map.TryGetValue(section, "first", out MemoryStream? found))
///     {
///         Console.WriteLine(found.Capacity); // not disposed of before the end of this block
///     }
/// }
///
/// map.TryRemove("first"); // the stream is disposed of after its last reader has left
/// </code>
/// </example>
/// <typeparam name="TKey">The type of the keys. The equality and hash code of a key must not change while it is in the
/// map.</typeparam>
/// <typeparam name="TValue">The type of the values. A class: values are exchanged by reference.</typeparam>
public sealed partial class ReadMostlyMap<TKey, TValue> : IDisposable
    where TKey : notnull
    where TValue : class
{
    // Three entries for four buckets.
    private const int LoadNumerator = 3;
    private const int LoadDenominator = 4;

    private readonly Lock _writing = new(); // held by the writer
    private readonly ValueRetirement<TValue> _old; // reclaims values that were replaced or removed

    // Null for the default comparer of a value type, which the compiler can then inline.
    private readonly IEqualityComparer<TKey>? _comparer;

    private MapTable<TKey, TValue>? _table; // replaced when the map grows; null when it was disposed of
    private int _count;

    /// <summary>Creates an empty map.</summary>
    /// <param name="domain">The domain whose sections protect readers; null for
    /// <see cref="RcuDomain.Default"/>.</param>
    /// <param name="comparer">Compares keys; null for the default. It may read the map, not change it.</param>
    /// <param name="reclaim">Called with an old value; null to dispose of it, if it is
    /// <see cref="IDisposable"/>.</param>
    /// <param name="size">
    /// Gets how many bytes a value occupies, for the limits of the domain; null for none. A negative number counts as
    /// 0. Called once for each value before it is put into the map and outside of every lock, so it may use the map. If
    /// it throws, the member that was called throws that, nothing was changed, and the value still belongs to the
    /// caller. The same holds if it leaves a read section of the domain open, with an
    /// <see cref="InvalidOperationException"/>.
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

    /// <summary>Gets the domain whose sections protect readers of this map.</summary>
    public RcuDomain Domain { get; }

    /// <summary>Gets the number of keys that the map held at some time during the call.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Gets the value of a key. It is not disposed of before the section is left.</summary>
    /// <param name="section">An open section of <see cref="Domain"/>.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <returns>Whether the map holds the key.</returns>
    /// <exception cref="InvalidOperationException">The section is <c>default</c>, has been left, or belongs to another
    /// domain.</exception>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public bool TryGetValue(in RcuReadSection section, TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        section.ThrowIfNotOpenIn(Domain);
        return TryFind(key, out value);
    }

    /// <summary>Gets the value of a key in a section that may cross an await.</summary>
    /// <inheritdoc cref="TryGetValue(in RcuReadSection, TKey, out TValue)"/>
    public bool TryGetValue(RcuAsyncReadSection section, TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        ArgumentNullException.ThrowIfNull(section);
        section.ThrowIfNotOpenIn(Domain);
        return TryFind(key, out value);
    }

    /// <summary>Whether the map holds a key. Needs no section.</summary>
    /// <exception cref="ObjectDisposedException">The map has been disposed of.</exception>
    public bool ContainsKey(TKey key) => TryFind(key, out _);

    /// <summary>
    /// Enumerates the entries, for <c>foreach</c>, in no order. An entry that is in the map throughout is found once;
    /// one that is added or removed concurrently may be found or not. Values are not disposed of before the section is
    /// left.
    /// </summary>
    /// <inheritdoc cref="TryGetValue(in RcuReadSection, TKey, out TValue)" path="/exception"/>
    public EntryEnumerator Entries(in RcuReadSection section)
    {
        section.ThrowIfNotOpenIn(Domain);
        return new EntryEnumerator(Table);
    }

    /// <summary>
    /// Enumerates the entries in a section that may cross an await; the enumeration itself may not.
    /// </summary>
    /// <inheritdoc cref="Entries(in RcuReadSection)"/>
    public EntryEnumerator Entries(RcuAsyncReadSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        section.ThrowIfNotOpenIn(Domain);
        return new EntryEnumerator(Table);
    }

    private MapTable<TKey, TValue> Table =>
        Volatile.Read(ref _table) ?? throw new ObjectDisposedException(nameof(ReadMostlyMap<,>));

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

    /// <summary>Enumerates the entries; see <see cref="Entries(in RcuReadSection)"/>.</summary>
    public ref struct EntryEnumerator
    {
        private readonly MapTable<TKey, TValue>? _table;
        private MapNode<TKey, TValue>? _node; // the present one; null before the first and after the last of a bucket
        private int _nextBucket;

        internal EntryEnumerator(MapTable<TKey, TValue> table) => _table = table;

        /// <summary>Gets the present entry.</summary>
        public readonly KeyValuePair<TKey, TValue> Current => new(_node!.Key, Volatile.Read(ref _node.Value));

        /// <summary>Gets the enumerator itself, for <c>foreach</c>.</summary>
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
