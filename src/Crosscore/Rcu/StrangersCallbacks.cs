using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// Runs callbacks of owners who do not know each other on one thread, so that nothing which one of them does there
/// meets the next: what it throws is reported, a read section that it left open is left for it, and an interruption
/// and changes of the execution context end with it. An interruption that is due before
/// a callback is given back to the thread when all have run.
/// </summary>
internal sealed class StrangersCallbacks : IDisposable
{
    // A wait for it returns at once and meets an interruption that is due.
    private static readonly ManualResetEvent AlwaysSet = new(true);

    private readonly string _domain;
    private readonly Action<Exception> _report;
    private readonly ExecutionContext _context = Context();
    private readonly List<(ReaderSlot Slot, int Depth)>? _inside = ReaderTable.FindOpenSections();
    private bool _interrupted;

    /// <param name="domain">Whose callbacks they are, for reports.</param>
    /// <param name="report">Takes what they throw; may run code of the user's, but throws only for lack of
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
            // Brings the thread's own execution and synchronization contexts back.
            ExecutionContext.Run(_context, callback, state);
        }
        catch (Exception failure)
        {
            Report(failure);
        }

        LeaveOpenSections(ofThread: false);
    }

    /// <summary>
    /// Leaves what callbacks left open. A section lived on the callback's stack, so nothing can use it any more; it
    /// would hold up every later grace period of its domain for as long as this thread lives.
    /// </summary>
    /// <param name="ofThread">In all domains; otherwise in the one that was read last, which is nearly always enough
    /// after one callback.</param>
    public void LeaveOpenSections(bool ofThread)
    {
        if (ReaderTable.LeaveOpenSections(ofThread, _inside))
        {
            Report(
                new InvalidOperationException(
                    $"A callback of the domain '{_domain}' left a read section open; it has been left for it. "
                        + "What it read there may be reclaimed from now on. "
                        + "Sections end where they were entered; use 'using'."
                )
            );
            _ = ReaderTable.LeaveOpenSections(ofThread, _inside); // of the one who was told
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

        // Its flow is suppressed, which is the thread's own affair.
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
