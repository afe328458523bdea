using System.Runtime.CompilerServices;

namespace Crosscore.HazardPointers;

/// <summary>
/// Several handles at once, from <see cref="HazardDomain.Acquire(int)"/> until <see cref="Dispose"/>, for algorithms
/// that use several objects at a time. A ref struct, as <see cref="HazardPointer"/> is.
/// </summary>
/// <remarks>
/// To follow a chain, protect the next object with another handle and <see cref="Swap"/> the two. Protection is never
/// copied from slot to slot: a scan that looks at the new slot before the copy and at the old one after it would miss
/// it. Shown by litmus/reclamation/HazardPointer.CopiedBetweenSlots.litmus.
/// </remarks>
public ref struct HazardPointerArray : IDisposable
{
    /// <summary>The maximum number of handles of one array.</summary>
    public const int MaxCount = 8;

    private readonly HazardThread? _thread;
    private Slots _slots;
    private Tickets _tickets;

    internal HazardPointerArray(HazardThread thread, int count)
    {
        thread.Reserve(count); // otherwise a failure half way would lose slots that no handle returns
        _thread = thread;
        Count = count;
        for (int index = 0; index < count; index++)
        {
            _slots[index] = thread.Take();
            _tickets[index] = _slots[index].Ticket;
        }
    }

    /// <summary>Gets the number of handles; 0 for a default array.</summary>
    public readonly int Count { get; }

    /// <summary>Gets one of the handles. Disposing of it alone returns its slot early.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is out of range; a default array has no
    /// handles.</exception>
    public readonly HazardPointer this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((uint)index >= (uint)Count)
            {
                ThrowNoSuchHandle(index, Count);
            }

            return new HazardPointer(_thread!, _slots[index], _tickets[index]);
        }
    }

    /// <summary>Exchanges two handles with what they protect; both objects stay protected throughout.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    public void Swap(int left, int right)
    {
        ThrowIfNoSuchHandle(left);
        ThrowIfNoSuchHandle(right);
        (_slots[left], _slots[right]) = (_slots[right], _slots[left]);
        (_tickets[left], _tickets[right]) = (_tickets[right], _tickets[left]);
    }

    /// <summary>Disposes of all handles. A second Dispose, also of a copy, does nothing.</summary>
    public readonly void Dispose()
    {
        // The last one first, so that the next array gets the same slots in the same order.
        for (int index = Count - 1; index >= 0; index--)
        {
            this[index].Dispose();
        }
    }

    private readonly void ThrowIfNoSuchHandle(int index)
    {
        if ((uint)index >= (uint)Count)
        {
            ThrowNoSuchHandle(index, Count);
        }
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowNoSuchHandle(int index, int count) =>
        throw new ArgumentOutOfRangeException(
            nameof(index),
            index,
            count == 0
                ? "A default array has no handles; get one from HazardDomain.Acquire(count)."
                : $"The array has the handles 0 to {count - 1}."
        );

    [InlineArray(MaxCount)]
    private struct Slots
    {
        private HazardSlot _first;
    }

    [InlineArray(MaxCount)]
    private struct Tickets
    {
        private uint _first;
    }
}
