using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>The counters move with what is done, in the meter and in the event source.</summary>
[Collection(SourceOfCode)] // Of two event sources of one name that live at the same time the second stays silent.
public sealed class CodeEventsTests
{
    public const string SourceOfCode = "the event source of code";

    [Fact]
    public void The_meter_counts_segments_bytes_swaps_and_refusals()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode target = code.Install();
        var slot = new CodeSlot(target.Address);
        Dictionary<string, long> before = Read();
        using (InstalledCode installed = code.Install())
        {
            slot.Target = installed.Address;
            slot.Target = target.Address;
            _ = Assert.Throws<CodeException>(() => target.AddressOf("nothing"));
            Dictionary<string, long> after = Read();
            Assert.Equal(1, after["crosscore.code.segments"] - before["crosscore.code.segments"]);
            Assert.Equal(Pages.Size, after["crosscore.code.bytes"] - before["crosscore.code.bytes"]);
            Assert.Equal(2, after["crosscore.code.swaps"] - before["crosscore.code.swaps"]);
            Assert.Equal(1, after["crosscore.code.refusals"] - before["crosscore.code.refusals"]);
        }

        Assert.Equal(before["crosscore.code.segments"], Read()["crosscore.code.segments"]);
        Assert.Equal(before["crosscore.code.bytes"], Read()["crosscore.code.bytes"]);
        Assert.Equal(
            ["breakpoints_met", "bytes", "patches", "refusals", "segments", "swaps", "synchronizations"],
            before.Keys.Select(name => name["crosscore.code.".Length..]).Order(StringComparer.Ordinal)
        );
    }

    /// <summary>In a child, where the first use of code is its own.</summary>
    [Fact]
    public void The_event_source_polls_the_same_counters()
    {
        Raw.Machine.NeedsRawPrograms();
        Raw.ChildResult result = Raw.ChildProcess.RunThisProgram(Sandbox.Child.PollCounters);
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Errors}");
        string[] names = result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("segments", names);
        Assert.Contains("swaps", names);
    }

    /// <summary>
    /// An interruption that meets a thread while it makes an event source leaves that source silent for the life of the
    /// process, so no caller makes it.
    /// </summary>
    [Fact]
    public void The_counters_are_made_known_by_no_thread_that_uses_code()
    {
        Raw.Machine.NeedsRawPrograms();
        Raw.ChildResult result = Raw.ChildProcess.RunThisProgram(Sandbox.Child.CallListeners);
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Errors}");
        Assert.Equal("listeners were called, none of them by the thread that used code", result.Text.Trim());
    }

    /// <summary>In a child: which thread calls listeners at the first use of code.</summary>
    internal static int CallListeners()
    {
        int calls = 0;
        int own = 0;
        int user = Environment.CurrentManagedThreadId;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Name == CodeEvents.SourceName)
                {
                    Interlocked.Increment(ref calls);
                    own += Environment.CurrentManagedThreadId == user ? 1 : 0;
                }
            },
        };
        listener.Start();
        MachineCode.Call(MachineCode.Return42);
        bool known = CodeEvents.Publication.Wait(TimeSpan.FromSeconds(60));
        Console.WriteLine(
            known && calls == 7 && own == 0
                ? "listeners were called, none of them by the thread that used code"
                : $"{(known ? "known" : "not known")}, {calls} calls of listeners, {own} by the thread that used code"
        );
        return 0;
    }

    /// <summary>In a child: prints the names of the counters that arrive; fails if not all do.</summary>
    internal static int PollCounters()
    {
        MachineCode.Call(MachineCode.Return42);
        using var listener = new Listener();
        bool all = listener.Seen.Wait(TimeSpan.FromSeconds(60), CancellationToken.None);
        Console.WriteLine(string.Join('\n', listener.Names));
        return all ? 0 : 1;
    }

    private static Dictionary<string, long> Read()
    {
        Assert.True(CodeEvents.Publication.Wait(TimeSpan.FromSeconds(60)));
        var values = new Dictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == CodeEvents.SourceName)
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => values[instrument.Name] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }

    /// <summary>What dotnet-counters does, from within.</summary>
    private sealed class Listener : EventListener
    {
        private readonly HashSet<string> _names = [];

        public CountdownEvent Seen { get; } = new(7);

        public IReadOnlyCollection<string> Names
        {
            get
            {
                lock (_names)
                {
                    return [.. _names];
                }
            }
        }

        protected override void OnEventSourceCreated(EventSource source)
        {
            if (source.Name == CodeEvents.SourceName)
            {
                EnableEvents(
                    source,
                    EventLevel.LogAlways,
                    EventKeywords.All,
                    new Dictionary<string, string?> { ["EventCounterIntervalSec"] = "1" }
                );
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventName == "EventCounters" && eventData.Payload?[0] is IDictionary<string, object> payload)
            {
                lock (_names)
                {
                    if (_names.Add((string)payload["Name"]))
                    {
                        _ = Seen.Signal();
                    }
                }
            }
        }
    }
}
