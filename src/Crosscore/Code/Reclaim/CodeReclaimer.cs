using Crosscore.Rcu;

namespace Crosscore.Code;

/// <summary>
/// Unmaps code when no thread can be in it any more, which only a grace period proves, never the passing of time.
/// Retire a segment when nothing leads to it any more, that is, after every slot and every pointer to it has been
/// changed; threads may still be running in it.
/// </summary>
/// <remarks>
/// <para>What is retired is unmapped by a later <see cref="Retire"/>, <see cref="Reclaim"/> or
/// <see cref="WaitAndReclaim"/>, or after the next garbage collection, by the finalizer thread, whichever comes first.
/// If more than <see cref="MaxSegments"/> segments or <see cref="MaxBytes"/> bytes wait, <see cref="Retire"/> itself
/// waits for a grace period. It does not inside a read section, where that would never end. Nothing shows whether it is
/// called inside a section that crosses an await, so it waits for a second at most, and does not wait again for the
/// same sections; then more segments wait.</para>
/// <para>Any thread may call any member at any time, except from within the code.</para>
/// </remarks>
public sealed class CodeReclaimer
{
    /// <summary>The maximum number of segments that wait.</summary>
    public const int MaxSegments = 256;

    /// <summary>The maximum number of bytes that wait, 16 MiB.</summary>
    public const int MaxBytes = 16 << 20;

    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(1);

    private readonly IGracePeriod _period;
    private readonly Lock _lock = new();
    private readonly Queue<(long Moment, InstalledCode Code)> _waiting = new();
    private long _waitingBytes;
    private long? _heldUp; // the oldest moment of those waiting, when the last wait for it was too long
    private bool _isWatching;

    internal CodeReclaimer(IGracePeriod period) => _period = period;

    /// <summary>
    /// Gets the reclaimer for code that is called through a <see cref="CodeSlot"/> only, from managed code only, as
    /// <c>delegate* unmanaged[SuppressGCTransition]</c> only. Such a call keeps the runtime from suspending its thread,
    /// so a garbage collection that began after the slot was changed proves that all calls which took the old target
    /// have returned. Costs the callers nothing.
    /// </summary>
    /// <remarks>
    /// The code must be short and must not block: a collection waits for it. It must not call back into managed code.
    /// It does not wait for other callers (ordinary unmanaged calls, P/Invoke, native threads). Keep the call in a
    /// separate method that is not inlined: if an ordinary unmanaged call of the same signature stands in another
    /// branch of the same method, the compiler of .NET 10 may merge both into one call, and it may be the ordinary one.
    /// .NET on CoreCLR or NativeAOT, not Mono, which may stop a thread within native code.
    /// </remarks>
    /// <exception cref="CodeException">The runtime is Mono.</exception>
    public static CodeReclaimer AfterSuspension =>
        Type.GetType("Mono.RuntimeStructs") is null
            ? SuspensionReclaimer.Instance
            : throw new CodeException(
                CodeFailure.WrongPlatform,
                "Mono suspends threads within native code, so a garbage collection proves nothing about code. Use "
                    + "read sections."
            );

    /// <summary>
    /// Makes a reclaimer for code that is called inside read sections of a domain only: by any kind of call, from any
    /// thread that can enter one, through a slot or through an address that was read inside the section. A section
    /// costs its thread two stores; the code may be long and may block as far as the domain's sections may.
    /// </summary>
    /// <remarks>
    /// Each call makes another reclaimer with another queue, so keep it. <see cref="WaitAndReclaim"/> throws
    /// <see cref="InvalidOperationException"/> inside a section, where it would wait for itself.
    /// </remarks>
    /// <param name="domain">The domain; it must live as long as something waits.</param>
    public static CodeReclaimer AfterReadSections(RcuDomain domain)
    {
        ArgumentNullException.ThrowIfNull(domain);
        return new CodeReclaimer(new ReadSectionGracePeriod(domain));
    }

    /// <summary>Gets the number of segments that are retired and not unmapped yet.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>
    /// Takes over a segment that nothing leads to any more, and unmaps it when every thread that may be in it has left.
    /// It stops handing out addresses.
    /// </summary>
    /// <param name="code">The segment. Caller must: have changed every slot and pointer that led to it, before.</param>
    /// <exception cref="ObjectDisposedException">The segment was disposed of or retired before; or the domain has been
    /// disposed of, and the segment is still the caller's, as it was.</exception>
    /// <exception cref="MembarrierException">So much waits that this call had to wait for a grace period, and the
    /// kernel refused the barrier that it needs. The segment has been taken over, and waits like the
    /// others.</exception>
    public void Retire(InstalledCode code)
    {
        ArgumentNullException.ThrowIfNull(code);
        bool tooMuch;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(!code.Withdraw(), code);
            try
            {
                if (!_isWatching)
                {
                    // Looks when the lock has been left, so it may be born before there is anything to look after.
                    _ = new CollectionWatch(this);
                    _isWatching = true;
                }

                // After the lock was taken, so that the queue is in the order of the moments, and after the withdrawal,
                // so that a thread that was given an address before it is waited for.
                _waiting.Enqueue((_period.Now(), code));
            }
            catch
            {
                code.GiveBack();
                throw;
            }

            _waitingBytes += code.MappedLength;
            tooMuch = (_waiting.Count > MaxSegments || _waitingBytes > MaxBytes) && _waiting.Peek().Moment != _heldUp;
        }

        if (tooMuch && _period.CanWait && !_period.Wait(_period.Now(), MaxWait))
        {
            lock (_lock)
            {
                _heldUp = _waiting.TryPeek(out (long Moment, InstalledCode Code) oldest) ? oldest.Moment : null;
            }
        }

        _ = Reclaim();
    }

    /// <summary>Unmaps what no thread can be in any more. Does not wait.</summary>
    /// <returns>How many segments were unmapped.</returns>
    public int Reclaim()
    {
        int reclaimed = 0;
        while (TakeDue() is { } code)
        {
            code.Unmap();
            reclaimed++;
        }

        return reclaimed;
    }

    /// <summary>
    /// Waits until no thread can be in anything that was retired before this call, and unmaps that. For
    /// <see cref="AfterSuspension"/> it orders a garbage collection of generation 0 unless there was one.
    /// </summary>
    /// <returns>How many segments were unmapped.</returns>
    public int WaitAndReclaim()
    {
        _period.Wait(_period.Now());
        return Reclaim();
    }

    private InstalledCode? TakeDue()
    {
        lock (_lock)
        {
            if (!_waiting.TryPeek(out (long Moment, InstalledCode Code) first) || !_period.HasPassed(first.Moment))
            {
                return null;
            }

            _ = _waiting.Dequeue();
            _waitingBytes -= first.Code.MappedLength;
            return first.Code;
        }
    }

    /// <summary>Whether another look is needed after the next collection.</summary>
    private bool LookAgain()
    {
        _ = Reclaim();
        lock (_lock)
        {
            _isWatching = _waiting.Count > 0;
            return _isWatching;
        }
    }

    private static class SuspensionReclaimer
    {
        public static readonly CodeReclaimer Instance = new(new SuspensionGracePeriod());
    }

    /// <summary>
    /// Garbage from its birth: the next collection finds it and the finalizer thread looks then. While something waits,
    /// the next one is made, a new object each time, because one that was kept alive would grow old and wait for rarer
    /// collections.
    /// </summary>
    private sealed class CollectionWatch(CodeReclaimer reclaimer)
    {
        ~CollectionWatch()
        {
            if (!Environment.HasShutdownStarted && reclaimer.LookAgain())
            {
                _ = new CollectionWatch(reclaimer);
            }
        }
    }
}
