using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// Read sections that may begin on one thread and end on another, and so cross an <see langword="await"/>, and a writer that waits until all that could have seen the old
/// state have
/// ended. A reader pays two adds to words of its CPU; no fence, no shared store, no registration of threads.
/// </summary>
/// <remarks>
/// <para>A writer unlinks what readers may be using, calls <see cref="Synchronize"/> or <see cref="SynchronizeAsync"/>, and then frees it: every section that began
/// before the call has ended when it returns, and every one that
/// begins after sees the unlinking. Sections may be nested and may last as long as they like; the writer waits for them.</para>
/// <para>Sections that began are counted per CPU and period, and those that ended, on whichever CPU that was. The writer compares the sums. There are two periods: the
/// writer turns to the other one, so that
/// new readers, however many, do not keep it waiting. (The algorithm of the kernel's SRCU; with per-CPU sections in user space, libside's.)</para>
/// <para><see cref="Reclamation.RcuDomain.EnterAsyncReadSection"/> costs its readers more and gives more for it: callbacks, who is inside, cells and maps. docs/per-cpu.md
/// says when to take which.</para>
/// <para>Waiting for readers from inside of a section of the same object never ends, and cannot be detected: a section belongs to no thread.</para>
/// </remarks>
public sealed class PerCpuReadSection
{
    private const int Begun = 0; // two words, one for each period
    private const int Ended = 2;

    /// <summary>Readers that do not wait themselves end within this many looks, and a sleep costs more.</summary>
    private const int LooksBeforeSleep = 20;

    private readonly AddingSlots _slots;
    private readonly WriterTurn _turn = new();
    private int _period;
    private Waiter? _sleeper; // the writer, while it sleeps or is about to
    private long _started; // grace periods
    private long _finished; // the last one that has finished

    /// <summary>
    /// Makes one without readers. Where sections can run but memory for their code is refused at this moment, this one
    /// is striped.
    /// </summary>
    /// <exception cref="OutOfMemoryException">There is no memory for the slots.</exception>
    public PerCpuReadSection()
        : this(RestartableSequences.IsAvailable)
    {
    }

    internal PerCpuReadSection(bool useSections, int? cpuSlots = null) =>
        _slots = new AddingSlots(4, PerCpuIndex.Cpu, useSections, SectionVariant.Shipped, cpuSlots);

    /// <summary>Whether readers count by sections; otherwise by interlocked adds, striped by processor.</summary>
    public bool UsesSections => _slots.UsesSections;

    internal PerCpuSlots Slots => _slots.Slots;

    /// <summary>How many sections are open, about: the counts are read one after the other.</summary>
    public long Readers => _slots.Sum(Begun) + _slots.Sum(Begun + 1) - _slots.Sum(Ended) - _slots.Sum(Ended + 1);

    /// <summary>Begins a section. Dispose of the reader exactly once, on any thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PerCpuReader Begin()
    {
        int period = Volatile.Read(ref _period);
        _slots.Add(Begun + period, 1);
        // Pairs with the heavy fence in HasDrained, which comes after what the writer unlinked and before it reads the count: the writer sees this section, or this
        // section sees
        // the unlinking. It does not matter whether the period is still the current one: the next grace period waits for both. litmus/percpu/ReadSection and
        // ReadSection.NoBarrier.
        AsymmetricFence.Light();
        return new PerCpuReader(this, period);
    }

    /// <summary>
    /// Waits until every section that began before the call has ended. Callers at the same time share the waiting. It
    /// blocks the calling thread and no other; <see cref="Thread.Interrupt"/> does not end the wait, and meets the
    /// thread in its next one.
    /// </summary>
    /// <param name="cancellation">Ends the waiting; then nothing is known of the readers.</param>
    /// <exception cref="OperationCanceledException">Cancelled: nothing may be freed.</exception>
    /// <exception cref="InvalidOperationException">Sections were ended more often than begun: a reader was copied and disposed of twice, and nothing that readers use can
    /// be freed safely any more.</exception>
    /// <exception cref="MembarrierException">The barrier failed: nothing may be freed.</exception>
    public void Synchronize(CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long arrival = Arrive();
        if (_turn.Ask(asTask: false) is { } turn)
        {
            try
            {
                turn.Wait(cancellation);
            }
            catch
            {
                _turn.GiveUp(turn);
                throw;
            }
        }

        try
        {
            if (IsServed(arrival))
            {
                return;
            }

            long number = ++_started;
            for (int half = 0; half < 2; half++)
            {
                int period = PeriodOfHalf(half);
                while (Look(period, asTask: false) is { } sleeper)
                {
                    sleeper.Wait(cancellation);
                }
            }

            _finished = number;
        }
        finally
        {
            Depart();
        }
    }

    /// <inheritdoc cref="Synchronize"/>
    /// <remarks>No thread is occupied while readers are waited for.</remarks>
    public async Task SynchronizeAsync(CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long arrival = Arrive();
        if (_turn.Ask(asTask: true) is { } turn)
        {
            try
            {
                await turn.WaitAsync(cancellation).ConfigureAwait(false);
            }
            catch
            {
                _turn.GiveUp(turn);
                throw;
            }
        }

        try
        {
            if (IsServed(arrival))
            {
                return;
            }

            long number = ++_started;
            for (int half = 0; half < 2; half++)
            {
                int period = PeriodOfHalf(half);
                while (Look(period, asTask: true) is { } sleeper)
                {
                    await sleeper.WaitAsync(cancellation).ConfigureAwait(false);
                }
            }

            _finished = number;
        }
        finally
        {
            Depart();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void End(int period)
    {
        // A release on every processor: x86-64 keeps stores in order, and without sections the add is interlocked. The writer that counts this end sees all that the
        // section did.
        _slots.Add(Ended + period, 1);
        // Pairs with the heavy fence in Look, between announcing sleep and the last look: the writer sees this end, or
        // this thread sees that it sleeps.
        // litmus/percpu/ReadSection.Wake and ReadSection.Wake.NoBarrier.
        AsymmetricFence.Light();
        if (Volatile.Read(ref _sleeper) is not null)
        {
            Wake();
        }
    }

    /// <summary>
    /// The number of the last grace period that had begun when the caller came. One that begins later serves the caller, because it begins after what the caller
    /// unlinked.
    /// </summary>
    private long Arrive()
    {
        Interlocked.MemoryBarrier(); // between the caller's unlinking and this load; pairs with _turn, an interlocked operation before every beginning
        return Volatile.Read(ref _started);
    }

    private bool IsServed(long arrival) => _finished > arrival;

    /// <summary>
    /// First the period that is not current: readers of an earlier grace period, or some who came late. Then the one that was current until now, after new readers have
    /// been
    /// turned to the other, which is empty.
    /// </summary>
    private int PeriodOfHalf(int half)
    {
        int current = _period;
        if (half == 1)
        {
            Volatile.Write(ref _period, current ^ 1);
            return current;
        }

        return current ^ 1;
    }

    /// <summary>Looks whether no section of the period is open, some times in a row.</summary>
    /// <returns>Null when none is. Otherwise what the writer sleeps by until a reader has ended; then it looks
    /// again.</returns>
    private Waiter? Look(int period, bool asTask)
    {
        for (var wait = new BriefWait(); wait.Count < LooksBeforeSleep; wait.Once())
        {
            if (HasDrained(period))
            {
                return null;
            }
        }

        var sleeper = new Waiter(asTask);
        Volatile.Write(ref _sleeper, sleeper);
        AsymmetricFence.Heavy(); // pairs with the light fence in End: litmus/percpu/ReadSection.Wake
        return HasDrained(period) ? null : sleeper;
    }

    /// <summary>
    /// Whether no section of the period is open. Ends are counted before beginnings: a section whose end was counted began before, so its beginning is counted too, and
    /// the sums can only be
    /// equal when there was a moment without readers.
    /// </summary>
    private bool HasDrained(int period)
    {
        long ended = _slots.Sum(Ended + period);
        // Pairs with the light fence in Begin: litmus/percpu/ReadSection. It also keeps the two sums in this order on every processor: ReadSection.TwoReaders,
        // and ReadSection.BeginningsFirst, which reads them the other way round.
        AsymmetricFence.Heavy();
        long begun = _slots.Sum(Begun + period);
        return ended <= begun
            ? ended == begun
            : throw new InvalidOperationException(
                $"Of {begun} read sections {ended} have ended: a PerCpuReader was copied and disposed of twice. "
                    + "Which sections are open is not known any more, so nothing that they use can be freed.");
    }

    private void Depart()
    {
        Volatile.Write(ref _sleeper, null);
        _turn.Leave();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Wake() =>
        // One reader wakes the writer, which announces its sleep anew if it must. One that was about to wake an earlier
        // sleep makes it look once too often.
        Interlocked.Exchange(ref _sleeper, null)?.Tell();
}
