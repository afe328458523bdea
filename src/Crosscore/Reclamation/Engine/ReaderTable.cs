using System.Runtime.CompilerServices;

namespace Crosscore.Reclamation;

/// <summary>
/// The slots of a thread, so that a section finds its own without a shared access: the one that was used last, and all by the number of their domain. They do not keep their domains alive. Without a static
/// constructor: a thread-static field of a class that has one is slower.
/// </summary>
internal static class ReaderTable
{
    [ThreadStatic]
    private static ReaderSlot? t_last;

    [ThreadStatic]
    private static ReaderSlot?[]? t_slots;

    /// <summary>The slot of this thread in a domain; it gets one if it has none.</summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReaderSlot FindOrRegister(RcuDomain domain)
    {
        // Two ways out, and one call on the rare one: written so, the compiler asks the runtime for the thread's statics once before a loop of sections, and not in each. That call is more than half of
        // what a section costs alone (bench/README.md).
        long id = domain.Id;
        ReaderSlot? last = t_last;
        if (last is not null && last.DomainId == id)
        {
            return last;
        }

        return FindInTableOrRegister(domain);
    }

    /// <summary>The slot of this thread in a domain, or null where it has none.</summary>
    public static ReaderSlot? Find(RcuDomain domain) => t_last is { } last && last.DomainId == domain.Id ? last : FindInTable(domain);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ReaderSlot FindInTableOrRegister(RcuDomain domain) => FindInTable(domain) ?? Register(domain);

    private static ReaderSlot? FindInTable(RcuDomain domain)
    {
        ReaderSlot?[] slots = t_slots ?? [];
        return (uint)domain.Number < (uint)slots.Length && slots[domain.Number] is { } slot && slot.DomainId == domain.Id ? t_last = slot : null;
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
