using System.Numerics;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The sections of a domain that may cross an await. A section is an object in a list; there are as many lists as
/// processors, each with a lock, so that sections entered on different processors share nothing. The lock orders a
/// section and a grace period: a section that the grace period does not find in a list was entered after the search,
/// and sees what was done before the grace period.
/// </summary>
internal sealed class AsyncSections
{
    // One for each processor, rounded up to a power of two.
    private readonly Stripe[] _stripes =
    [
        .. Enumerable
            .Range(0, (int)BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount))
            .Select(_ => new Stripe()),
    ];

    // Whether a section was ever entered. Grace periods of a domain without such sections take no lock.
    private bool _used;

    public void Enter(RcuAsyncReadSection section, ref long entry)
    {
        // Pairs with the read in AnyHoldsUp. A full fence here too, because the section reads what it protects after
        // this.
        if (!Volatile.Read(ref _used))
        {
            _ = Interlocked.Exchange(ref _used, true);
        }

        Stripe stripe = _stripes[Thread.GetCurrentProcessorId() & (_stripes.Length - 1)];
        using var held = new HeldLock(stripe.Gate);
        section.Word = Volatile.Read(ref entry);
        section.Stripe = stripe;
        section.Next = stripe.First;
        if (stripe.First is { } first)
        {
            first.Previous = section;
        }

        stripe.First = section;
    }

    /// <summary>
    /// Leaves a section. <see cref="Thread.Interrupt"/> does not break it off: a section that stayed in the list would
    /// delay every later grace period.
    /// </summary>
    public static void Leave(RcuAsyncReadSection section)
    {
        Stripe stripe = section.Stripe!;
        using var held = new HeldLock(stripe.Gate);
        if (section.Previous is { } previous)
        {
            previous.Next = section.Next;
        }
        else
        {
            stripe.First = section.Next;
        }

        if (section.Next is { } next)
        {
            next.Previous = section.Previous;
        }

        section.Previous = section.Next = null;
    }

    /// <summary>Whether a grace period must wait for any of them.</summary>
    public bool AnyHoldsUp(long gracePeriod)
    {
        // Pairs with the exchange in Enter. The heavy fence of the grace period lies between what was done before it
        // and this read, so a section that is missed here sees what was done before.
        if (!Volatile.Read(ref _used))
        {
            return false;
        }

        foreach (Stripe stripe in _stripes)
        {
            using var held = new HeldLock(stripe.Gate);
            RcuAsyncReadSection? section = stripe.First;
            while (section is not null && !ReaderWord.HoldsUp(section.Word, gracePeriod))
            {
                section = section.Next;
            }

            if (section is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Collects the sections that a grace period must wait for.</summary>
    public void CollectHolders(long gracePeriod, List<RcuAsyncReadSection> holders)
    {
        foreach (Stripe stripe in _stripes)
        {
            using var held = new HeldLock(stripe.Gate);
            for (RcuAsyncReadSection? section = stripe.First; section is not null; section = section.Next)
            {
                if (ReaderWord.HoldsUp(section.Word, gracePeriod))
                {
                    holders.Add(section);
                }
            }
        }
    }

    /// <summary>
    /// A list and its lock. Two cache lines lie before and behind, because lists of different processors are written by
    /// different processors. The lock is a separate object, which lies behind its list and before the next.
    /// </summary>
    [StructLayout(LayoutKind.Explicit)]
    internal sealed class Stripe
    {
        [FieldOffset(120)]
        public readonly Lock Gate = new();

        [FieldOffset(128)]
        public RcuAsyncReadSection? First;

        [FieldOffset(136)]
        public CacheLines Behind;
    }
}
