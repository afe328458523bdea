using System.Diagnostics;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The grace periods of a domain, numbered from 1. One runs at a time and serves all who asked before it began.
/// <code>
/// reader:  word = entry | depth 1      grace period n:  begun = n; entry = n
///          Light                                        Heavy
///          ... reads ...                                wait until each word is outside, or has seen n
///          word = outside (release)                     completed = n
/// </code>
/// The number makes one pass over the readers enough, where a single phase bit needs two: a reader that took its number
/// long ago and writes it only now is still told from one that entered after the grace period began
/// (litmus/reclamation/Rcu.StaleEntry; the control with a bit instead of a number is Rcu.StaleEntry.OnePhaseBit). One
/// heavy fence is enough, too, because readers leave by a release store.
/// </summary>
internal sealed class GracePeriods
{
    private readonly RcuDomain _domain;
    private readonly ReaderRegistry _readers;
    private readonly AsyncSections _asyncSections;
    private readonly Action _heavy;
    private readonly CoalescedOperation _shared;
    private readonly List<ReaderSlot> _holders = []; // of the grace period that runs
    private long _begun;
    private long _completed;

    // the number of the one that runs, or 0; not every one that has begun ends, for the kernel may refuse its barrier
    private long _running;
    private long _beganAt; // Stopwatch timestamp

    /// <param name="domain">Whose readers write what <see cref="RcuDomain.Entry"/> says.</param>
    /// <param name="readers">The slots of threads.</param>
    /// <param name="asyncSections">The sections of tasks.</param>
    /// <param name="heavy"><see cref="AsymmetricFence.Heavy"/>; something else in tests that show what it is
    /// for.</param>
    public GracePeriods(RcuDomain domain, ReaderRegistry readers, AsyncSections asyncSections, Action heavy)
    {
        _domain = domain;
        _readers = readers;
        _heavy = heavy;
        _asyncSections = asyncSections;
        _shared = new CoalescedOperation(Begin, IsOver);
        _domain.Entry = ReaderWord.Entry(0);
    }

    public long Completed => Volatile.Read(ref _completed);

    /// <summary>How long the grace period that runs has lasted; zero if none does.</summary>
    public TimeSpan Age
    {
        get
        {
            long running = Volatile.Read(ref _running);
            // pairs with the order of the stores in Begin; without it the JIT may exchange the reads
            // (dotnet/runtime#133524)
            Volatile.ReadBarrier();
            return running == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(Volatile.Read(ref _beganAt));
        }
    }

    public void Wait() => _shared.Pass();

    /// <inheritdoc cref="CoalescedOperation.PassAsync"/>
    public Task WaitAsync(bool blocks, CancellationToken cancellation) => _shared.PassAsync(blocks, cancellation);

    /// <summary>The number of the first grace period that begins after now, and sees to it that it does.</summary>
    public long Request()
    {
        // Pairs with the write of _begun in Begin: if this read misses it, that grace period's heavy fence comes after
        // what the caller did before. Then the number found here plus one is that grace period or a later one. Shown by
        // litmus/reclamation/Rcu.Cookie and its control Rcu.Cookie.NoFence.
        Interlocked.MemoryBarrier();
        long number = Volatile.Read(ref _begun) + 1;
        _shared.Ask();
        return number;
    }

    /// <summary>Whether a grace period is over; if it failed (the barrier was refused), asks for another one.</summary>
    public bool IsOver(long number)
    {
        if (Completed - number >= 0)
        {
            return true;
        }

        if (!_shared.IsEngaged)
        {
            _shared.Ask();
        }

        return false;
    }

    /// <summary>The readers that the grace period now running waits for.</summary>
    public void CollectHolders(List<ReaderSlot> threads, List<RcuAsyncReadSection> sections)
    {
        long number = Volatile.Read(ref _running);
        if (number != 0)
        {
            _readers.CollectHolders(number, threads);
            _asyncSections.CollectHolders(number, sections);
        }
    }

    private void Begin()
    {
        long number = _begun + 1;
        Volatile.Write(ref _beganAt, Stopwatch.GetTimestamp());
        Volatile.Write(ref _running, number);
        try
        {
            Volatile.Write(ref _begun, number);
            Volatile.Write(ref _domain.Entry, ReaderWord.Entry(number));

            // Pairs with Light in RcuReadSection.Enter. A reader whose word we miss below stores it after this barrier,
            // so what it reads then is what was written before the grace period: it
            // cannot have the old. One that we see inside either has number n, and read it after we wrote it, so the
            // same holds; or it has an older one, and we wait.
            // Without this fence: litmus/reclamation/Rcu.NoHeavyFence, and RcuLitmusTests with the fence of the domain
            // taken away.
            _heavy();

            _readers.CollectHolders(number, _holders);
        }
        catch
        {
            // The barrier was refused: then no reader is waited for. Those left over from this grace period may be
            // outside when the next one begins.
            End();
            throw;
        }
    }

    /// <summary>
    /// Whether all readers have left that the grace period which has begun waits for; if so, it is over.
    /// </summary>
    private bool IsOver(bool isLong)
    {
        long number = _running;
        for (int i = _holders.Count - 1; i >= 0; i--)
        {
            ReaderSlot slot = _holders[i];

            // Acquire; pairs with the release in RcuReadSection.Dispose: what the reader did inside comes before what
            // follows the grace period.
            if (!ReaderWord.HoldsUp(Volatile.Read(ref slot.Word.Value), number) || (isLong && !slot.Owner.IsAlive))
            {
                _holders.RemoveAt(i);
            }
        }

        if (_holders.Count > 0 || _asyncSections.AnyHoldsUp(number))
        {
            return false;
        }

        Volatile.Write(ref _completed, number);
        End();
        return true;
    }

    private void End()
    {
        _holders.Clear();
        Volatile.Write(ref _running, 0);
    }
}
