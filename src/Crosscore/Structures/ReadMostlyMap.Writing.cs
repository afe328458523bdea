using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.Structures;

/// <content>What writers call: one at a time changes the table.</content>
public sealed partial class ReadMostlyMap<TKey, TValue>
{
    /// <summary>Gets the value of a key, or makes one. It is not disposed of before the section is left.</summary>
    /// <param name="section">An open section of <see cref="Domain"/>.</param>
    /// <param name="key">The key.</param>
    /// <param name="make">Makes the value, outside of any lock, so maybe in vain: if another thread was faster, that
    /// thread's value is returned and this one is retired, unless they are the same object. It may use the map.</param>
    /// <exception cref="InvalidOperationException">As for
    /// <see cref="TryGetValue(in RcuReadSection, TKey, out TValue)"/>; or a value of null was made; or the function
    /// that makes values left a read section of the domain open, and the value that was made is retired.</exception>
    /// <exception cref="ObjectDisposedException">The map has been disposed of. A value that was made is
    /// retired.</exception>
    /// <exception cref="Exception">The function that makes values or the one that gets their size threw; a value that
    /// was made is retired.</exception>
    public TValue GetOrAdd(in RcuReadSection section, TKey key, Func<TKey, TValue> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        section.ThrowIfNotOpenIn(Domain);
        return FindOrAdd(key, make);
    }

    /// <summary>Gets the value of a key, or makes one, in a section that may cross an await.</summary>
    /// <inheritdoc cref="GetOrAdd(in RcuReadSection, TKey, Func{TKey, TValue})"/>
    public TValue GetOrAdd(RcuAsyncReadSection section, TKey key, Func<TKey, TValue> make)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(make);
        section.ThrowIfNotOpenIn(Domain);
        return FindOrAdd(key, make);
    }

    /// <summary>Adds a key with its value.</summary>
    /// <returns>Whether it was added; if the map held the key already, the value still belongs to the caller.</returns>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value still belongs to the
    /// caller.</exception>
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

    /// <summary>Adds a key, or replaces its value and retires the old one.</summary>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value still belongs to the
    /// caller.</exception>
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
    /// Replaces the expected value of a key and retires it. The expected value must have been read in a section that
    /// the caller has not left; otherwise another value could have been made of the same object.
    /// </summary>
    /// <returns>Whether the key had the expected value, by reference; if not, the new value still belongs to the
    /// caller.</returns>
    /// <exception cref="ObjectDisposedException">The map has been disposed of; the value still belongs to the
    /// caller.</exception>
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

    /// <summary>Removes a key and retires its value.</summary>
    /// <returns>Whether the map held the key.</returns>
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

    /// <summary>Removes all keys and retires their values.</summary>
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

    /// <summary>Retires all values. Every later use throws; a second Dispose does nothing.</summary>
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

    private TValue FindOrAdd(TKey key, Func<TKey, TValue> make)
    {
        if (TryFind(key, out TValue? found))
        {
            return found;
        }

        TValue made =
            _old.Make(make, key)
            ?? throw new InvalidOperationException(
                "ReadMostlyMap.GetOrAdd: the function returned null, which is no value. Return an object."
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
            // Not if the function itself has put its value into the map, or makes the same object for all callers.
            RetireUnlessSame(made, bytes, present);
        }
    }

    // Under _writing, with a key that the map does not hold.
    private void Add(TKey key, TValue value, long bytes)
    {
        MapTable<TKey, TValue> table = Table;
        if (_count == int.MaxValue)
        {
            throw new InvalidOperationException(
                $"ReadMostlyMap: the map holds {int.MaxValue} keys and cannot hold more. Nothing was added."
            );
        }

        if (
            _count >= table.BucketCount / LoadDenominator * LoadNumerator
            && MapTable<TKey, TValue>.Doubled(table.BucketCount) > table.BucketCount
        )
        {
            table = table.Doubled();

            // A reader in the old table misses what is written from here on. What it finds there is retired no earlier
            // than now, and so inside of its section.
            Volatile.Write(ref _table, table);
        }

        int hash = Hash(key);
        ref MapNode<TKey, TValue>? bucket = ref table.Bucket(hash);

        // A release store: a thread that finds the node sees its fields, and what was done to the value before.
        Volatile.Write(ref bucket, new MapNode<TKey, TValue>(key, hash, value) { Bytes = bytes, Next = bucket });
        Volatile.Write(ref _count, _count + 1);
    }

    private void Replace(MapTable<TKey, TValue>? table)
    {
        Volatile.Write(ref _table, table);
        Volatile.Write(ref _count, 0);
    }

    // Under _writing.
    private static (TValue Old, long OldBytes) Exchange(MapNode<TKey, TValue> node, TValue value, long bytes)
    {
        (TValue, long) old = (node.Value, node.Bytes);
        Volatile.Write(ref node.Value, value);
        node.Bytes = bytes;
        return old;
    }

    private void RetireUnlessSame(TValue old, long bytes, TValue? value)
    {
        // A value that replaces itself is not old.
        if (old != value)
        {
            _old.Retire(old, bytes);
        }
    }

    /// <summary>Enters the lock of writers.</summary>
    /// <exception cref="InvalidOperationException">The thread is writing already: the comparer changes the
    /// map.</exception>
    private HeldLock Write() =>
        _writing.IsHeldByCurrentThread
            ? throw new InvalidOperationException(
                "ReadMostlyMap: the comparer changes the map that is comparing keys. Let it read the map only."
            )
            : new HeldLock(_writing);
}
