using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using Crosscore.Threads;

namespace Crosscore.Code;

/// <summary>
/// What Crosscore.Code has done, as counters of a meter and of an event source, both by the name "Crosscore.Code", so
/// that <c>dotnet-counters monitor --counters Crosscore.Code</c> and every other reader of either sees them. All
/// counters are here; the code that does something adds to its counter.
/// </summary>
[EventSource(Name = SourceName)]
internal sealed class CodeEvents : EventSource
{
    public const string SourceName = "Crosscore.Code";

    /// <summary>Segments that are mapped for execution at present.</summary>
    public static readonly CodeCounter Segments = new();

    /// <summary>Bytes of them, whole pages.</summary>
    public static readonly CodeCounter Bytes = new();

    /// <summary>Targets stored into slots since the start.</summary>
    public static readonly CodeCounter Swaps = new();

    /// <summary>Sites of live code changed since the start.</summary>
    public static readonly CodeCounter Patches = new();

    /// <summary>How often a thread met a breakpoint of a change in progress and was sent on.</summary>
    public static readonly CodeCounter BreakpointsMet = new();

    /// <summary>Core synchronizations ordered since the start.</summary>
    public static readonly CodeCounter Synchronizations = new();

    /// <summary>Exceptions of type <see cref="CodeException"/> since the start, but for those of dry runs.</summary>
    public static readonly CodeCounter Refusals = new();

    [ThreadStatic]
    private static bool t_isDryRun;

    private static readonly (string Name, string Says, string Unit, bool Falls, CodeCounter Counter)[] All =
    [
        ("segments", "Segments mapped for execution", "{segment}", true, Segments),
        ("bytes", "Bytes mapped for execution", "By", true, Bytes),
        ("swaps", "Targets stored into slots", "{swap}", false, Swaps),
        ("patches", "Sites of live code changed", "{site}", false, Patches),
        ("breakpoints_met", "Threads sent on from a breakpoint", "{thread}", false, BreakpointsMet),
        ("synchronizations", "Core synchronizations ordered", "{call}", false, Synchronizations),
        ("refusals", "Requests refused", "{exception}", false, Refusals),
    ];

    private static readonly Lock Gate = new(); // guards the next two
    private static readonly TaskCompletionSource Known = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private static CodeEvents? s_events;
    private static bool s_ended;
    private static int s_published;

    private readonly Meter _meter = new(SourceName);
    private List<DiagnosticCounter>? _polled;

    private CodeEvents() { }

    /// <summary>Is complete when listeners have been told of the counters.</summary>
    public static Task Publication => Known.Task;

    /// <summary>
    /// Makes the counters known to listeners, once, on a thread of the pool. The caller does not wait for it, and the
    /// counters count before they are known. Listeners are user code, and an interruption of the calling thread inside
    /// of one would leave an event source that stays silent.
    /// </summary>
    public static void Publish()
    {
        if (Volatile.Read(ref s_published) != 0 || Interlocked.Exchange(ref s_published, 1) != 0)
        {
            return;
        }

        try
        {
            CollectibleContext.WhenUnloading(End);
            _ = ThreadPool.UnsafeQueueUserWorkItem(static _ => PublishHere(), null);
        }
        catch (OutOfMemoryException)
        {
            Volatile.Write(ref s_published, 0); // the next use of code tries again
        }
        catch (ThreadInterruptedException)
        {
            Volatile.Write(ref s_published, 0);
            using var steady = new Uninterrupted();
            steady.Remember();
        }
    }

    private static void PublishHere()
    {
        try
        {
            var events = new CodeEvents();
            bool ended;
            using (new HeldLock(Gate))
            {
                s_events = events;
                ended = s_ended;
            }

            if (ended)
            {
                events.Dispose();
            }
            else
            {
                events.PublishInstruments();
            }
        }
        catch (Exception thrown) when (thrown is not OutOfMemoryException)
        {
            // A listener's. The instruments that were made count; no use of the library may fail because a listener
            // does.
        }
        catch (OutOfMemoryException)
        {
            Forget(); // two sources of one name would be silent or count twice
            Volatile.Write(ref s_published, 0); // the next use of code tries again
            return;
        }

        _ = Known.TrySetResult();
    }

    /// <summary>
    /// The runtime keeps every meter and event source until it is disposed of, and so everything in the assembly that
    /// their callbacks belong to. A context that is unloaded takes them along.
    /// </summary>
    private static void End()
    {
        using (new HeldLock(Gate))
        {
            s_ended = true;
        }

        Forget();
    }

    private static void Forget()
    {
        CodeEvents? events;
        using (new HeldLock(Gate))
        {
            events = s_events;
            s_events = null;
        }

        events?.Dispose();
    }

    private void PublishInstruments()
    {
        foreach ((string name, string says, string unit, bool falls, CodeCounter counter) in All)
        {
            try
            {
                _ = falls
                    ? (Instrument)
                        _meter.CreateObservableUpDownCounter($"crosscore.code.{name}", () => counter.Value, unit, says)
                    : _meter.CreateObservableCounter($"crosscore.code.{name}", () => counter.Value, unit, says);
            }
            catch (Exception thrown) when (thrown is not OutOfMemoryException)
            {
                // A listener's; the next instrument may interest another listener.
            }
        }
    }

    /// <summary>Counts a refusal, unless the calling thread only asks what would happen.</summary>
    public static void CountRefusal()
    {
        if (!t_isDryRun)
        {
            Refusals.Add(1);
        }
    }

    /// <summary>Refusals on the calling thread are not counted until the result is disposed of.</summary>
    public static DryRun BeginDryRun()
    {
        t_isDryRun = true;
        return default;
    }

    /// <summary>
    /// Polling costs a timer, so it begins with the first listener; a counter belongs to its source until the end of
    /// the process.
    /// </summary>
    protected override void OnEventCommand(EventCommandEventArgs command)
    {
        if (command.Command == EventCommand.Enable && _polled is null)
        {
            _polled =
            [
                .. All.Select(entry =>
                    entry.Falls
                        ? (DiagnosticCounter)
                            new PollingCounter(entry.Name, this, () => entry.Counter.Value) { DisplayName = entry.Says }
                        : new IncrementingPollingCounter(entry.Name, this, () => entry.Counter.Value)
                        {
                            DisplayName = entry.Says,
                        }
                ),
            ];
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _meter.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>A question in place of a request.</summary>
    public readonly ref struct DryRun : IDisposable
    {
        public void Dispose() => t_isDryRun = false;
    }
}
