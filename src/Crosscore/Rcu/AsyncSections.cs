using System.Numerics;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The sections of a domain that may cross an await. A section is an object in a list; there are as many lists as
/// processors, each with a lock, so that sections entered on different processors share nothing. The lock orders: a
/// section that a grace period does not find in a list was entered after it looked, and sees what was done before the
/// grace period.
/// </summary>
internal sealed class AsyncSections
{
    private readonly Stripe[] _stripes =
    [
        .. Enumerable
            .Range(0, (int)BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount))
            .Select(_ => new Stripe()),
    ];
    private bool _used;

    public void Enter(RcuAsyncReadSection section, ref long entry)
    {
        // Pairs with the read in AnyHoldsUp: a full fence here too, because what the section protects is read after
        // this.
        if (!Volatile.Read(ref _used))
        {
            _ = Interlocked.Exchange(ref _used, true);
        }

        Stripe stripe = _stripes[Thread.GetCurrentProcessorId() & (_stripes.Length - 1)];
        using var steady = new Uninterrupted();
        steady.Enter(stripe.Gate);
        section.Word = Volatile.Read(ref entry);
        section.Stripe = stripe;
        section.Next = stripe.First;
        if (stripe.First is { } first)
        {
            first.Previous = section;
        }

        stripe.First = section;
        stripe.Gate.Exit();
    }

    /// <summary>Nothing is lost to <see cref="Thread.Interrupt"/>: a section that is left is gone.</summary>
    public static void Leave(RcuAsyncReadSection section)
    {
        Stripe stripe = section.Stripe!;
        using var steady = new Uninterrupted();
        steady.Enter(stripe.Gate);
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
        stripe.Gate.Exit();
    }

    /// <summary>Whether a grace period must wait for any of them.</summary>
    public bool AnyHoldsUp(long gracePeriod)
    {
        // Pairs with the exchange in Enter: the heavy fence of the grace period stands between what was done before it
        // and this read. A section that is missed here sees what was done before.
        if (!Volatile.Read(ref _used))
        {
            return false;
        }

        using var steady = new Uninterrupted();
        foreach (Stripe stripe in _stripes)
        {
            steady.Enter(stripe.Gate);
            RcuAsyncReadSection? section = stripe.First;
            while (section is not null && !ReaderWord.HoldsUp(section.Word, gracePeriod))
            {
                section = section.Next;
            }

            stripe.Gate.Exit();
            if (section is not null)
            {
                return true;
            }
        }

        return false;
    }

    public void CollectHolders(long gracePeriod, List<RcuAsyncReadSection> holders)
    {
        using var steady = new Uninterrupted();
        foreach (Stripe stripe in _stripes)
        {
            steady.Enter(stripe.Gate);
            try
            {
                for (RcuAsyncReadSection? section = stripe.First; section is not null; section = section.Next)
                {
                    if (ReaderWord.HoldsUp(section.Word, gracePeriod))
                    {
                        holders.Add(section);
                    }
                }
            }
            finally
            {
                stripe.Gate.Exit();
            }
        }
    }

    /// <summary>
    /// A list and its lock. Two cache lines lie before and behind: lists of different processors are written by
    /// different processors, and the lock is an object of its own that lies behind its list and before the next.
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
