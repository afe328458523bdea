using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// The slots of one thread in one domain. Only that thread takes and returns them, so neither costs an interlocked
/// operation.
/// </summary>
internal sealed class HazardThread : ThreadRecord
{
    /// <summary>The minimum number of slots of a thread.</summary>
    public const int FirstSlots = 4;

    // The record that the thread used last. The class has no static constructor: with one, every access to a
    // thread-static field would first check whether it has run.
    [ThreadStatic]
    private static HazardThread? t_last;

    // The records of the thread in all domains. Weak references, or a domain that is not used any more would live as
    // long as the thread; the domain itself keeps its records alive.
    [ThreadStatic]
    private static List<WeakReference<HazardThread>>? t_all;

    private HazardSlot[] _slots = []; // all slots; read by scans
    private HazardSlot[] _free = []; // the first _freeCount are those that no handle has; only the owner uses them
    private int _freeCount;
    private int _counted; // how many of the slots the domain has counted

    private HazardThread(HazardDomain domain)
    {
        Domain = domain;
        Grow(FirstSlots);
    }

    public HazardDomain Domain { get; }

    /// <summary>
    /// All slots, free ones included. The array is replaced when it grows. A scan reads it after its fence, as it reads
    /// the registry, and for the same reason.
    /// </summary>
    public ReadOnlySpan<HazardSlot> Slots => Volatile.Read(ref _slots);

    /// <summary>Gets the calling thread's record in a domain, or makes one.</summary>
    public static HazardThread Of(HazardDomain domain)
    {
        HazardThread? last = t_last;
        return last is not null && last.Domain == domain ? last : Find(domain) ?? Join(domain);
    }

    /// <summary>Finds the calling thread's record in a domain; null where it never took a slot.</summary>
    public static HazardThread? Find(HazardDomain domain)
    {
        foreach (WeakReference<HazardThread> known in t_all ?? [])
        {
            if (known.TryGetTarget(out HazardThread? record) && record.Domain == domain)
            {
                return t_last = record;
            }
        }

        return null;
    }

    /// <summary>Makes sure that a number of slots can be taken.</summary>
    public void Reserve(int count)
    {
        while (_freeCount < count)
        {
            Grow(_slots.Length);
            Count();
        }
    }

    public HazardSlot Take()
    {
        if (_freeCount == 0)
        {
            Reserve(1);
        }

        HazardSlot slot = _free[--_freeCount];
        slot.Ticket++;
        return slot;
    }

    public void Return(HazardSlot slot)
    {
        slot.Clear();
        slot.Ticket++;
        _free[_freeCount++] = slot;
    }

    public override void Removed() => Domain.CountSlots(-Volatile.Read(ref _counted));

    private static HazardThread Join(HazardDomain domain)
    {
        List<WeakReference<HazardThread>> all = t_all ??= [];
        _ = all.RemoveAll(known => !known.TryGetTarget(out _));
        _ = all.EnsureCapacity(all.Count + 1);
        var record = new HazardThread(domain);
        var known = new WeakReference<HazardThread>(record);

        // From here on nothing throws: a record that the thread knows and the domain does not would protect nothing.
        domain.Registry.Join(record);
        record.Count();
        all.Add(known);
        return t_last = record;
    }

    private void Count()
    {
        Domain.CountSlots(_slots.Length - _counted);
        Volatile.Write(ref _counted, _slots.Length);
    }

    private void Grow(int more)
    {
        var slots = new HazardSlot[_slots.Length + more];
        var free = new HazardSlot[slots.Length];
        int freeCount = _freeCount;
        _slots.CopyTo(slots, 0);
        _free.AsSpan(0, freeCount).CopyTo(free);
        for (int slot = _slots.Length; slot < slots.Length; slot++)
        {
            free[freeCount++] = slots[slot] = new HazardSlot();
        }

        _free = free;
        _freeCount = freeCount;

        // Before any of the new slots announces anything. Pairs with Slots, read after the scan's fence.
        Volatile.Write(ref _slots, slots);
    }
}
