using System.Runtime.CompilerServices;

namespace Crosscore.Reclamation;

/// <summary>
/// The slots of a thread by the number of their domain, so that a section finds its own without a shared access. Without a static constructor: a thread-static field of a class
/// that has one is slower.
/// </summary>
internal static class ReaderTable
{
    [ThreadStatic]
    private static ReaderSlot[]? t_slots;

    /// <summary>The slot of this thread at a number; one of another domain, or <see cref="ReaderSlot.None"/>, where it has none there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReaderSlot Find(int number)
    {
        ReaderSlot[]? slots = t_slots;
        return slots is not null && (uint)number < (uint)slots.Length ? slots[number] : ReaderSlot.None;
    }

    public static void Set(int number, ReaderSlot slot)
    {
        ReaderSlot[] slots = t_slots ?? [];
        if (number >= slots.Length)
        {
            int used = slots.Length;
            Array.Resize(ref slots, Math.Max(4, Math.Max(number + 1, 2 * used)));
            Array.Fill(slots, ReaderSlot.None, used, slots.Length - used);
        }

        slots[number] = slot;
        t_slots = slots;
    }
}

/// <summary>
/// Numbers of domains. They are used again: a thread may then find the slot of an earlier domain at a number, and sees by <see cref="ReaderSlot.Domain"/> that it is not its own.
/// </summary>
internal static class DomainNumbers
{
    private static readonly Lock Gate = new();
    private static readonly PriorityQueue<int, int> Free = new();
    private static int _next;

    public static int Take()
    {
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        int taken = Free.TryDequeue(out int number, out _) ? number : _next++;
        Gate.Exit();
        return taken;
    }

    public static void Return(int number)
    {
        // Not to be lost to an interruption of the thread that disposes of the domain.
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        try
        {
            Free.Enqueue(number, number);
        }
        finally
        {
            Gate.Exit();
        }
    }
}
