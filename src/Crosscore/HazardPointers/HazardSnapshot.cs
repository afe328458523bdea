using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// What the slots of a domain announced, for one scan after another. The sets keep their memory, and are empty between
/// scans.
/// </summary>
internal sealed class HazardSnapshot
{
    private readonly HashSet<object> _objects = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<nint> _pointers = [];

    public bool IsEmpty => _objects.Count == 0 && _pointers.Count == 0;

    public bool Contains(object value) => _objects.Contains(value);

    public bool Contains(nint pointer) => _pointers.Contains(pointer);

    /// <summary>Reads every slot of every living thread.</summary>
    /// <remarks>
    /// The caller has passed <see cref="AsymmetricFence.Heavy"/> since the objects in question were unlinked. Pairs
    /// with <see cref="HazardPointer.Protect{T}(ref T)"/>: if a reader announced before its part of the fence, the
    /// announcement is seen here; if it announced after it, its second look at the source comes after the fence too,
    /// finds the object gone, and the reader does not use it. Fails without:
    /// litmus/reclamation/HazardPointer.NoBarrier.litmus, HazardPointer.ScanBeforeBarrier.litmus.
    /// </remarks>
    public void Take(ThreadRegistry<HazardThread> registry)
    {
        bool anyDead = false;
        for (HazardThread? thread = registry.Newest; thread is not null; thread = (HazardThread?)thread.Next)
        {
            // A dead thread's slots protect nothing.
            if (thread.IsOwnerAlive)
            {
                Add(thread);
            }
            else
            {
                anyDead = true;
            }
        }

        if (anyDead)
        {
            registry.RemoveDead();
        }
    }

    /// <summary>Reads the slots of one thread.</summary>
    public void Add(HazardThread thread)
    {
        foreach (HazardSlot slot in thread.Slots)
        {
            // Acquire loads. Pairs with HazardSlot.Clear: what the owner did with an object that is no longer announced
            // comes before its reclamation.
            object? value = Volatile.Read(ref slot.Value);
            if (value is not null)
            {
                _objects.Add(value);
            }

            nint pointer = Volatile.Read(ref slot.Pointer);
            if (pointer != 0)
            {
                _pointers.Add(pointer);
            }
        }
    }

    public void Clear()
    {
        _objects.Clear();
        _pointers.Clear();
    }
}
