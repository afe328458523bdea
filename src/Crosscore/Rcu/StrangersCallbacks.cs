namespace Crosscore.Rcu;

/// <summary>
/// Runs callbacks of different owners on one thread and isolates them from each other: what a callback throws is
/// reported; a read section that it left open is left; an interruption and changes of the execution context end with
/// it. An interruption that was pending before a callback is given back to the thread when all have run.
/// </summary>
internal sealed class StrangersCallbacks : IDisposable
{
    // A wait for it returns at once, and throws if an interruption is pending.
    private static readonly ManualResetEvent AlwaysSet = new(true);

    private readonly string _domain;
    private readonly Action<Exception> _report;
    private readonly ExecutionContext _context = Context(); // each callback begins with it

    // The sections that the thread itself was in before the callbacks; they stay open.
    private readonly List<(ReaderSlot Slot, int Depth)>? _inside = ReaderTable.FindOpenSections();
    private bool _interrupted; // to be given back to the thread

    /// <param name="domain">The name of the domain that the callbacks belong to, for reports.</param>
    /// <param name="report">Takes what callbacks throw. It may run code of the user's, but throws only for lack of
    /// memory.</param>
    public StrangersCallbacks(string domain, Action<Exception> report)
    {
        _domain = domain;
        _report = report;
    }

    /// <summary>Runs one callback. Throws only for lack of memory.</summary>
    public void Run(ContextCallback callback, object state)
    {
        TakeInterruption();
        try
        {
            // Restores the thread's own execution and synchronization contexts afterwards.
            ExecutionContext.Run(_context, callback, state);
        }
        catch (Exception failure)
        {
            Report(failure);
        }

        LeaveOpenSections(ofThread: false);
    }

    /// <summary>
    /// Leaves the sections that callbacks left open. A section lived on the callback's stack, so nothing can use it any
    /// more, and it would delay every later grace period of its domain for as long as this thread lives.
    /// </summary>
    /// <param name="ofThread">Whether the sections of all domains are left; otherwise those of the domain that was read
    /// last, which is nearly always enough after one callback.</param>
    public void LeaveOpenSections(bool ofThread)
    {
        if (ReaderTable.LeaveOpenSections(ofThread, _inside))
        {
            Report(
                new InvalidOperationException(
                    $"A callback of the domain '{_domain}' left a read section open. The section has been left "
                        + "now, and what the callback read there may be reclaimed. Enter sections with 'using'."
                )
            );
            _ = ReaderTable.LeaveOpenSections(ofThread, _inside); // what the handler of the report left open
        }
    }

    public void Dispose()
    {
        LeaveOpenSections(ofThread: true);
        if (_interrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }

    private static ExecutionContext Context()
    {
        if (ExecutionContext.Capture() is { } context)
        {
            return context;
        }

        // The thread has suppressed the flow of its context; that stays as it was.
        ExecutionContext.RestoreFlow();
        context = ExecutionContext.Capture()!;
        _ = ExecutionContext.SuppressFlow();
        return context;
    }

    private void Report(Exception failure)
    {
        TakeInterruption();
        ExecutionContext.Run(
            _context,
            static reporting => ((Reporting)reporting!).Report(),
            new Reporting(_report, failure)
        );
    }

    private void TakeInterruption()
    {
        try
        {
            _ = AlwaysSet.WaitOne();
        }
        catch (ThreadInterruptedException)
        {
            _interrupted = true;
        }
    }

    private sealed record Reporting(Action<Exception> To, Exception Failure)
    {
        public void Report() => To(Failure);
    }
}
