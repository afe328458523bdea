using System.Diagnostics.Tracing;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Crosscore.Tests.Fences;

/// <summary>Which mode is taken on which machine, and what a choice does.</summary>
public sealed class FenceDecisionTests
{
    private static readonly FenceFacts Linux = new(
        IsLinux: true,
        RuntimeBarrierIsSound: false,
        Architecture.X64,
        MembarrierFailure.None,
        Emulated: false,
        BroadcastsInvalidations: false,
        FenceDecision.TestedRuntime
    );

    private static readonly FenceFacts NoCall = Linux with { Membarrier = MembarrierFailure.Absent };

    public static TheoryData<string, AsymmetricFenceMode> Machines { get; } =
        new()
        {
            { "linux", AsymmetricFenceMode.Membarrier },
            { "arm64", AsymmetricFenceMode.Membarrier },
            { "no call", AsymmetricFenceMode.Symmetric },
            { "refused", AsymmetricFenceMode.Symmetric },
            { "no call, arm64", AsymmetricFenceMode.Symmetric },
            { "no call, gVisor", AsymmetricFenceMode.Symmetric },
            { "no call, INVLPGB", AsymmetricFenceMode.Symmetric },
            { "windows", AsymmetricFenceMode.Runtime },
            { "freebsd", AsymmetricFenceMode.Symmetric },
        };

    [Theory]
    [MemberData(nameof(Machines))]
    public void Page_protection_is_taken_nowhere_without_being_asked_for_and_nothing_weaker_is_used_anywhere(
        string machine,
        AsymmetricFenceMode mode
    )
    {
        FenceDecision decision = FenceDecision.Choose(null, Facts(machine));
        Assert.Equal((mode, null), (decision.Mode, decision.Error));
        Assert.NotEmpty(decision.Reason);
    }

    [Theory]
    [InlineData("symmetric", AsymmetricFenceMode.Symmetric)]
    [InlineData(" Membarrier ", AsymmetricFenceMode.Membarrier)]
    [InlineData("PAGEPROTECTION", AsymmetricFenceMode.PageProtection)]
    public void A_mode_can_be_chosen_by_its_name(string wish, AsymmetricFenceMode mode) =>
        Assert.Equal((mode, null), (FenceDecision.Choose(wish, Linux).Mode, FenceDecision.Choose(wish, Linux).Error));

    [Theory]
    [InlineData("membarier", "linux", "choose one of Symmetric, Membarrier, PageProtection, Runtime")]
    [InlineData("1", "linux", "'1'")]
    [InlineData("Membarrier", "no call", "membarrier(2) cannot be used (Absent)")]
    [InlineData("PageProtection", "arm64", "on Linux on x86-64 only")]
    [InlineData("PageProtection", "no call, INVLPGB", "INVLPGB")]
    [InlineData("Runtime", "linux", "Windows and the systems of Apple")]
    public void A_choice_that_is_unavailable_is_an_error_and_full_fences_on_both_sides(
        string wish,
        string machine,
        string says
    )
    {
        FenceDecision decision = FenceDecision.Choose(wish, Facts(machine));
        Assert.Equal(AsymmetricFenceMode.Symmetric, decision.Mode);
        Assert.Contains(says, decision.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no call")]
    [InlineData("refused")]
    public void Page_protection_is_taken_where_it_is_asked_for(string machine) =>
        Assert.Equal(
            (AsymmetricFenceMode.PageProtection, null),
            (
                FenceDecision.Choose("PageProtection", Facts(machine)).Mode,
                FenceDecision.Choose("PageProtection", Facts(machine)).Error
            )
        );

    [Theory]
    [InlineData("linux")]
    [InlineData("arm64")]
    [InlineData("windows")]
    public void On_a_runtime_that_the_tests_have_not_seen_both_sides_are_full_fences_and_a_warning_says_why(
        string machine
    )
    {
        foreach (
            int major in (int[])
                [FenceDecision.TestedRuntime - 1, FenceDecision.TestedRuntime + 1, 99, int.MinValue, int.MaxValue]
        )
        {
            FenceDecision decision = FenceDecision.Choose(null, Facts(machine) with { RuntimeMajor = major });
            Assert.Equal((AsymmetricFenceMode.Symmetric, null), (decision.Mode, decision.Error));
            Assert.Contains($".NET {major}", decision.Reason, StringComparison.Ordinal);
            Assert.Contains(FenceDecision.VariableName, decision.Warning, StringComparison.Ordinal);
        }

        Assert.Null(FenceDecision.Choose(null, Facts(machine)).Warning);
    }

    [Fact]
    public void A_choice_is_the_consent_to_a_runtime_that_the_tests_have_not_seen()
    {
        FenceFacts next = Linux with { RuntimeMajor = FenceDecision.TestedRuntime + 1 };
        Assert.Equal(
            (AsymmetricFenceMode.Membarrier, null),
            (FenceDecision.Choose("Membarrier", next).Mode, FenceDecision.Choose("Membarrier", next).Warning)
        );
        Assert.Null(FenceDecision.Choose("Symmetric", next).Warning);
        // full fences anyway
        Assert.Null(FenceDecision.Choose(null, next with { Membarrier = MembarrierFailure.Absent }).Warning);
    }

    [Fact]
    public void The_warning_reaches_who_listens_to_event_sources()
    {
        using var listener = new Listener();
        FenceEvents.Warn("a warning of this test");
        Assert.Equal(["Warning: a warning of this test"], listener.Heard);
    }

    [Fact]
    public void A_property_of_the_application_that_is_no_string_is_not_ignored()
    {
        Assert.Equal("Runtime", FenceDecision.Wish(AsymmetricFenceMode.Runtime, "Symmetric"));
        Assert.Equal("7", FenceDecision.Wish(7, "Symmetric"));
        Assert.Equal("Symmetric", FenceDecision.Wish(" ", "Symmetric"));
        Assert.Equal("Symmetric", FenceDecision.Wish(null, "Symmetric"));
        Assert.Equal("Runtime", FenceDecision.Wish("Runtime", "Symmetric"));
        Assert.Equal(typeof(Nameless).FullName, FenceDecision.Wish(new Nameless(), null));
    }

    [Fact]
    public void The_tests_have_seen_the_runtime_that_runs_them() =>
        Assert.Equal(FenceDecision.TestedRuntime, Environment.Version.Major);

    private sealed class Listener : EventListener
    {
        public List<string> Heard { get; } = [];

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "Crosscore.AsymmetricFence")
            {
                EnableEvents(eventSource, EventLevel.Warning);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventSource.Name == "Crosscore.AsymmetricFence")
            {
                string text = string.Format(CultureInfo.InvariantCulture, eventData.Message!, [.. eventData.Payload!]);
                Heard.Add($"{eventData.Level}: {text}");
            }
        }
    }

    private static FenceFacts Facts(string machine) =>
        machine switch
        {
            "linux" => Linux,
            "arm64" => Linux with { Architecture = Architecture.Arm64 },
            "no call" => NoCall,
            "refused" => Linux with { Membarrier = MembarrierFailure.Refused },
            "no call, arm64" => NoCall with { Architecture = Architecture.Arm64 },
            "no call, gVisor" => NoCall with { Emulated = true },
            "no call, INVLPGB" => NoCall with { BroadcastsInvalidations = true },
            "windows" => NoCall with
            {
                IsLinux = false,
                RuntimeBarrierIsSound = true,
                Membarrier = MembarrierFailure.WrongPlatform,
            },
            "freebsd" => NoCall with { IsLinux = false, Membarrier = MembarrierFailure.WrongPlatform },
            _ => throw new ArgumentOutOfRangeException(nameof(machine)),
        };

    private sealed class Nameless
    {
        public override string? ToString() => null;
    }
}
