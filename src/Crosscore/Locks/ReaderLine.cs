using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// The identities of the <see cref="AsymmetricReaderWriterLock"/>s that one thread holds for reading, one element for
/// each time that it entered a lock. Only the thread writes them; threads that enter a lock for writing read them. One
/// line serves all locks, so a lock that many threads read costs no memory for each of them.
/// </summary>
internal sealed class ReaderLine : ThreadRecord
{
    // Two cache lines before and behind, because processors fetch them in pairs.
    private const int Padding = 128 / sizeof(long);
    private const int FirstCapacity = 8;

    [ThreadStatic]
    private static ReaderLine? t_line;

    private long[] _entries = new long[Padding + FirstCapacity + Padding]; // 0 where nothing is held
    private int _top = Padding; // behind the last element that is not 0

    /// <summary>The calling thread's line.</summary>
    public static ReaderLine Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => t_line ?? Join();
    }

    /// <summary>
    /// Announces that the thread reads. The caller passes a light fence and looks at the writer's flag before it relies
    /// on that.
    /// </summary>
    /// <returns>The index of the element.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Announce(long id)
    {
        int index = _top;
        long[] entries = _entries;
        if (index >= entries.Length - Padding)
        {
            entries = Grow();
        }

        Volatile.Write(ref entries[index], id);
        _top = index + 1;
        return index;
    }

    /// <summary>
    /// Withdraws an announcement by a release store, so all that the thread read comes before. Pairs with the acquire
    /// loads of <see cref="Holds"/>. Fails without: litmus/locks/ReaderWriterLock.Exit.PlainStore.litmus.
    /// </summary>
    /// <returns>False if the element is not this lock's.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWithdraw(int index, long id)
    {
        long[] entries = _entries;
        if ((uint)index >= (uint)entries.Length || entries[index] != id)
        {
            return false;
        }

        Volatile.Write(ref entries[index], 0);
        if (index == _top - 1)
        {
            LowerTop(index, entries);
        }

        return true;
    }

    /// <summary>Withdraws the newest announcement for a lock.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWithdrawNewest(long id)
    {
        int newest = _top - 1;
        return TryWithdraw(newest, id) || TryWithdrawOlder(newest, id);
    }

    /// <summary>Whether the thread announces that it reads. Any thread may ask.</summary>
    /// <param name="id">The lock.</param>
    /// <param name="below">Only elements before this one count; for the thread itself.</param>
    public bool Holds(long id, int below = int.MaxValue)
    {
        // An array that was replaced concurrently may show an announcement that was withdrawn; a thread that waits for
        // that looks again.
        long[] entries = Volatile.Read(ref _entries);
        int end = Math.Min(below, entries.Length - Padding);
        for (int index = Padding; index < end; index++)
        {
            if (Volatile.Read(ref entries[index]) == id)
            {
                return true;
            }
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ReaderLine Join()
    {
        var line = new ReaderLine();
        ReaderLines.All.Join(line);
        return t_line = line;
    }

    private bool TryWithdrawOlder(int newest, long id)
    {
        for (int index = newest - 1; index >= Padding; index--)
        {
            if (TryWithdraw(index, id))
            {
                return true;
            }
        }

        return false;
    }

    // Below the top there may be elements that were withdrawn out of order.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void LowerTop(int top, long[] entries)
    {
        while (top > Padding && entries[top - 1] == 0)
        {
            top--;
        }

        _top = top;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long[] Grow()
    {
        var entries = new long[_entries.Length + FirstCapacity];
        _entries.CopyTo(entries, 0);

        // Before anything is announced in it.
        Volatile.Write(ref _entries, entries);
        return entries;
    }
}

/// <summary>
/// The lines of all threads. Not in <see cref="ReaderLine"/>, whose thread-static field would be slower beside a static
/// field that must be initialized.
/// </summary>
internal static class ReaderLines
{
    public static ThreadRegistry<ReaderLine> All { get; } = new();
}
