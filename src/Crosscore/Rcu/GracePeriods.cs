using System.Diagnostics;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The grace periods of a domain, numbered from 1. One runs at a time and serves all callers that asked before it
/// began.
/// <code>
/// reader:  word = entry | depth 1      grace period n:  begun = n; entry = n
///          Light                                        Heavy
///          ... reads ...                                wait until each word is outside, or has seen n
///          word = outside (release)                     completed = n
/// </code>
/// Because of the number one pass over the readers is enough, where a single phase bit needs two: a reader that read
/// the number long ago and writes it only now is still distinguished from one that entered after the grace period began
/// (litmus/reclamation/Rcu.StaleEntry; the control with a bit instead of a number is Rcu.StaleEntry.OnePhaseBit). One
/// heavy fence is enough, because readers leave by a release store.
/// </summary>
internal sealed class GracePeriods
{
    private readonly RcuDomain _domain; // its field Entry is what readers write into their words
    private readonly ReaderRegistry _readers; // the words of threads
    private readonly AsyncSections _asyncSections; // the words of sections that may cross an await
    private readonly Action _heavy; // AsymmetricFence.Heavy

    // Runs one grace period at a time and shares it among its callers. Begin and IsOver, the two parts of a run, are
    // called by one thread at a time, so the fields below have one writer.
    private readonly CoalescedOperation _shared;

    // The slots that the running grace period still waits for. Collected once when it begins: a reader that enters
    // later does not delay it.
    private readonly List<ReaderSlot> _holders = [];

    // The number of the last grace period that began, and of the last one that ended. They differ while one runs, and
    // after one whose barrier the kernel refused: that one never ends.
    private long _begun;
    private long _completed;

    // The number of the grace period that runs, or 0; and when it began, as a time stamp of Stopwatch. For GetHolders,
    // which any thread may call.
    private long _running;
    private long _beganAt;

    /// <param name="domain">The domain whose readers write what <see cref="RcuDomain.Entry"/> says.</param>
    /// <param name="readers">The slots of threads.</param>
    /// <param name="asyncSections">The sections of tasks.</param>
    /// <param name="heavy"><see cref="AsymmetricFence.Heavy"/>; another action in tests that show what the fence is
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
            // Pairs with the order of the stores in Begin. Without the barrier the JIT may exchange the reads
            // (dotnet/runtime#133524).
            Volatile.ReadBarrier();
            return running == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(Volatile.Read(ref _beganAt));
        }
    }

    /// <summary>Returns when a grace period that began after this call is over.</summary>
    public void Wait() => _shared.RunOrJoin();

    /// <inheritdoc cref="CoalescedOperation.RunOrJoinAsync"/>
    public Task WaitAsync(bool blocks, CancellationToken cancellation) => _shared.RunOrJoinAsync(blocks, cancellation);

    /// <summary>Asks for a grace period that begins after this call, and returns its number.</summary>
    public long Request()
    {
        // Pairs with the write of _begun in Begin: if this read misses it, that grace period's heavy fence comes after
        // what the caller did before. Then the number found here plus one is that grace period or a later one. Shown by
        // litmus/reclamation/Rcu.Cookie and its control Rcu.Cookie.NoFence.
        Interlocked.MemoryBarrier();
        long number = Volatile.Read(ref _begun) + 1;
        _shared.Request();
        return number;
    }

    /// <summary>
    /// Whether a grace period is over. If it failed because the barrier was refused, asks for another one.
    /// </summary>
    public bool IsOver(long number)
    {
        if (Completed - number >= 0)
        {
            return true;
        }

        if (!_shared.IsBusy)
        {
            _shared.Request();
        }

        return false;
    }

    /// <summary>Collects the readers that the running grace period waits for.</summary>
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

            // Pairs with Light in RcuReadSection.Enter. If a reader stores its word after this barrier, we miss the
            // word below, but the reader then reads what was written before the grace period: it cannot have the old
            // value. If we see the reader inside with our number, it read the number after we wrote it, so the same
            // holds. If we see it inside with an older number, we wait.
            // Fails without: litmus/reclamation/Rcu.NoHeavyFence, and RcuLitmusTests with the fence of the domain
            // removed.
            _heavy();

            _readers.CollectHolders(number, _holders);
        }
        catch
        {
            // The barrier was refused, so this grace period waits for no reader. The next one collects its own.
            End();
            throw;
        }
    }

    /// <summary>
    /// Whether all readers that the running grace period waits for have left; if so, ends it.
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
