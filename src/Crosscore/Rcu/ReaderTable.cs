using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// The slots of the calling thread in all domains, so that a section finds its slot without an access to shared memory.
/// The slots do not keep their domains alive.
/// </summary>
/// <remarks>
/// The class has no static constructor, because every access to a thread-static field of a class with one first checks
/// whether it has run.
/// </remarks>
internal static class ReaderTable
{
    // The slot that was used last, of any domain: most threads use one domain for a while, and this saves the look into
    // the table.
    [ThreadStatic]
    private static ReaderSlot? t_last;

    // All slots, each at the number of its domain (DomainNumber). An entry may belong to an earlier domain of the same
    // number; its Outside word tells.
    [ThreadStatic]
    private static ReaderSlot?[]? t_slots;

    /// <summary>The slot that this thread used last, of any domain; or null.</summary>
    public static ReaderSlot? Last
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => t_last;
    }

    /// <summary>
    /// Enters a section where the short path of <see cref="RcuReadSection"/> cannot: the slot was not the last one
    /// used, the thread has none yet, or it is inside already.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ReaderPlace Enter(RcuDomain domain)
    {
        ReaderSlot slot = FindOrRegister(domain);
        if (ReaderWord.IsInside(slot.Word.Value))
        {
            return slot.EnterNested();
        }

        Volatile.Write(ref slot.Word.Value, Volatile.Read(ref domain.Entry));
        return slot;
    }

    /// <summary>Finds the slot of this thread in a domain, or registers one.</summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public static ReaderSlot FindOrRegister(RcuDomain domain) =>
        domain.Outside == 0 ? throw domain.Disposed() : Find(domain) ?? Register(domain);

    /// <summary>
    /// Finds the slot of this thread in a domain; null where it has none. In a domain that has been disposed of the
    /// answer may be null although there is one, because another domain may have taken its number.
    /// </summary>
    public static ReaderSlot? Find(RcuDomain domain)
    {
        if (t_last is { } last && last.Outside == domain.Identity)
        {
            return last;
        }

        ReaderSlot?[] slots = t_slots ?? [];
        return
            (uint)domain.Number < (uint)slots.Length
            && slots[domain.Number] is { } slot
            && slot.Outside == domain.Identity
            ? t_last = slot
            : null;
    }

    /// <summary>
    /// Finds the slots of this thread that are inside of a section, with their depth; null where there is none.
    /// </summary>
    public static List<(ReaderSlot Slot, int Depth)>? FindOpenSections()
    {
        List<(ReaderSlot Slot, int Depth)>? inside = null;
        foreach (ReaderSlot? slot in t_slots ?? [])
        {
            if (slot is { Depth: > 0 })
            {
                (inside ??= []).Add((slot, slot.Depth));
            }
        }

        return inside;
    }

    /// <summary>Leaves sections of this thread, whose variables must be gone.</summary>
    /// <param name="ofThread">Whether the sections of all domains are left; otherwise those of the domain that was used
    /// last.</param>
    /// <param name="inside">The sections that <see cref="FindOpenSections"/> found before; they stay open.</param>
    /// <returns>Whether there were any.</returns>
    public static bool LeaveOpenSections(bool ofThread, List<(ReaderSlot Slot, int Depth)>? inside)
    {
        bool any = t_last is { } last && last.LeaveTo(DepthBefore(last, inside));
        if (ofThread)
        {
            foreach (ReaderSlot? slot in t_slots ?? [])
            {
                any |= slot is not null && slot.LeaveTo(DepthBefore(slot, inside));
            }
        }

        return any;
    }

    private static int DepthBefore(ReaderSlot slot, List<(ReaderSlot Slot, int Depth)>? inside)
    {
        if (inside is null)
        {
            return 0;
        }

        foreach ((ReaderSlot known, int depth) in inside)
        {
            if (known == slot)
            {
                return depth;
            }
        }

        return 0;
    }

    private static ReaderSlot Register(RcuDomain domain)
    {
        ReaderSlot slot = domain.Register();
        ReaderSlot?[] slots = t_slots ?? [];
        if (domain.Number >= slots.Length)
        {
            Array.Resize(ref slots, Math.Max(4, Math.Max(domain.Number + 1, 2 * slots.Length)));
        }

        slots[domain.Number] = slot;
        t_slots = slots;
        return t_last = slot;
    }
}
