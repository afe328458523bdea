using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// The slots of a thread, so that a section finds its own without a shared access: the one that was used last, and all
/// by the number of their domain. They do not keep their domains alive. Without a static constructor: a thread-static
/// field of a class that has one is slower.
/// </summary>
internal static class ReaderTable
{
    [ThreadStatic]
    private static ReaderSlot? t_last;

    [ThreadStatic]
    private static ReaderSlot?[]? t_slots;

    /// <summary>The slot that this thread used last, of whichever domain; or null.</summary>
    public static ReaderSlot? Last
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => t_last;
    }

    /// <summary>
    /// Enters where the short way does not: the slot was not the last one used, there is none yet, or the thread is
    /// inside already.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static ReaderPlace Enter(RcuDomain domain)
    {
        ReaderSlot slot = FindOrRegister(domain);
        if (ReaderWord.IsInside(slot.Word.Value))
        {
            return slot.EnterInner();
        }

        Volatile.Write(ref slot.Word.Value, Volatile.Read(ref domain.Entry));
        return slot;
    }

    /// <summary>The slot of this thread in a domain; it gets one if it has none.</summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public static ReaderSlot FindOrRegister(RcuDomain domain) =>
        domain.Outside == 0 ? throw domain.Disposed() : Find(domain) ?? Register(domain);

    /// <summary>
    /// The slot of this thread in a domain, or null where it has none. In a domain that has been disposed of, maybe
    /// null although it has one: its place in the table may be another domain's.
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

    /// <summary>The slots of this thread that are inside of a section, with how deep; null where none is.</summary>
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
    /// <param name="ofThread">Those of all domains; otherwise of the one that was used last.</param>
    /// <param name="inside">What <see cref="FindOpenSections"/> found before, and is not left.</param>
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
