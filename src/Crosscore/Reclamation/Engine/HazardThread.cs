namespace Crosscore.Reclamation;

/// <summary>The slots of one thread in one domain. Only that thread takes and returns them, so neither costs an interlocked operation.</summary>
internal sealed class HazardThread : ThreadRecord
{
    private const int FirstSlots = 4;

    // Thread statics live in a class without a static constructor: with one, every access would first ask whether it has run.
    [ThreadStatic]
    private static HazardThread? t_last;

    // Weak, or a domain that nobody uses any more would live as long as the thread; the domain itself keeps its records alive.
    [ThreadStatic]
    private static List<WeakReference<HazardThread>>? t_all;

    private HazardSlot[] _slots = [];
    private HazardSlot[] _free = [];
    private int _freeCount;

    public HazardThread() => Grow(FirstSlots);

    /// <summary>The domain, set once by the thread that created the record, before any slot is taken.</summary>
    public HazardPointers Domain { get; private set; } = null!;

    /// <summary>All slots, free ones included. The array is replaced when it grows; a scan reads it after its fence, as it reads the registry, and for the same reason.</summary>
    public ReadOnlySpan<HazardSlot> Slots => Volatile.Read(ref _slots);

    /// <summary>The calling thread's record in a domain.</summary>
    public static HazardThread Of(HazardPointers domain)
    {
        HazardThread? last = t_last;
        return last is not null && last.Domain == domain ? last : Find(domain) ?? Join(domain);
    }

    /// <summary>The same, or nothing where the thread never took a slot.</summary>
    public static HazardThread? Find(HazardPointers domain)
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

    public HazardSlot Take()
    {
        if (_freeCount == 0)
        {
            Grow(_slots.Length);
            Domain.CountSlots(_slots.Length / 2);
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

    protected override void Reset()
    {
        // Handles that the dead thread never disposed of: nobody can use them any more.
        foreach (HazardSlot slot in _slots)
        {
            slot.Clear();
            slot.Ticket++;
        }

        _slots.CopyTo(_free, 0);
        _freeCount = _slots.Length;
    }

    private static HazardThread Join(HazardPointers domain)
    {
        HazardThread record = domain.Registry.Join();
        if (record.Domain is null)
        {
            record.Domain = domain;
            domain.CountSlots(record._slots.Length);
        }

        List<WeakReference<HazardThread>> all = t_all ??= [];
        all.RemoveAll(known => !known.TryGetTarget(out _));
        all.Add(new WeakReference<HazardThread>(record));
        return t_last = record;
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
