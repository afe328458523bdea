using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using Crosscore.Code;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>The counters move with what is done, in the meter and in the event source.</summary>
public sealed class CodeEventsTests
{
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
            Assert.Equal(CodeFile.Page, after["crosscore.code.bytes"] - before["crosscore.code.bytes"]);
            Assert.Equal(2, after["crosscore.code.swaps"] - before["crosscore.code.swaps"]);
            Assert.Equal(1, after["crosscore.code.refusals"] - before["crosscore.code.refusals"]);
        }

        Assert.Equal(before["crosscore.code.segments"], Read()["crosscore.code.segments"]);
        Assert.Equal(before["crosscore.code.bytes"], Read()["crosscore.code.bytes"]);
        Assert.Equal(
            ["breakpoints_met", "bytes", "patches", "refusals", "segments", "swaps", "synchronisations"],
            before.Keys.Select(name => name["crosscore.code.".Length..]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_event_source_polls_the_same_counters()
    {
        MachineCode.Call(MachineCode.Return42);
        using var listener = new Listener();
        Assert.True(listener.Seen.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken), "No counter arrived.");
        Assert.Contains("segments", listener.Names);
        Assert.Contains("swaps", listener.Names);
    }

    [Fact]
    public void An_interruption_while_the_counters_are_made_known_is_given_back_and_loses_none()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.PublishInterrupted);
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Errors}");
        Assert.Equal(["42", "interrupted", "enabled", "7 instruments"],
            result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>
    /// In a child: the first use of code is interrupted while another thread holds the lock in which the runtime makes
    /// event sources known.
    /// </summary>
    internal static void PublishInterrupted()
    {
        using var holds = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        var holder = new Thread(() => new Holder(holds, release).Dispose());
        holder.Start();
        holds.Wait();
        var user = new Thread(() =>
        {
            Thread.CurrentThread.Interrupt();
            string value = $"{MachineCode.Call(MachineCode.Return42)}";
            try
            {
                Thread.Sleep(1);
            }
            catch (ThreadInterruptedException)
            {
                value += "\ninterrupted";
            }

            Console.WriteLine(value);
        });
        user.Start();
        _ = SpinWait.SpinUntil(() => user.ThreadState.HasFlag(ThreadState.WaitSleepJoin) || !user.IsAlive,
            TimeSpan.FromSeconds(60));
        release.Set();
        user.Join();
        holder.Join();
        using var listener = new Listener();
        Console.WriteLine(EventSource.GetSources().Any(source =>
            source.Name == CodeEvents.SourceName && source.IsEnabled()) ? "enabled" : "not enabled");
        Console.WriteLine($"{Read().Count} instruments");
    }

    private static Dictionary<string, long> Read()
    {
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

    /// <summary>Stays in the callback that the runtime makes under its lock, once.</summary>
    private sealed class Holder : EventListener
    {
        [ThreadStatic]
        private static (ManualResetEventSlim Holds, ManualResetEventSlim Release)? t_events;

        public Holder(ManualResetEventSlim holds, ManualResetEventSlim release)
            : this((t_events = (holds, release)) is null)
        {
        }

        private Holder(bool nothing) => _ = nothing;

        protected override void OnEventSourceCreated(EventSource source)
        {
            if (t_events is { } events)
            {
                t_events = null;
                events.Holds.Set();
                events.Release.Wait();
            }
        }
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
                EnableEvents(source, EventLevel.LogAlways, EventKeywords.All, new Dictionary<string, string?> { ["EventCounterIntervalSec"] = "1" });
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
