using System.Diagnostics;
using System.Globalization;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>
/// Another process of the same user attacks memory files between their creation and their seals (docs/security.md). The
/// controls do what the library does without looking again: there the same attacker wins.
/// </summary>
public sealed class SameUserTests
{
    /// <summary>200,000 make a real search: CROSSCORE_RACE_TRIALS=200000.</summary>
    private static readonly string Trials = Environment.GetEnvironmentVariable(CodeRace.Trials) ?? "3000";

    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(30);

    [Theory]
    [InlineData(nameof(CodeRace.Way.Seal))]
    [InlineData(nameof(CodeRace.Way.Install))]
    [InlineData(nameof(CodeRace.Way.Live))]
    public void No_byte_that_another_process_changed_before_the_seals_is_shown_or_executed(string way)
    {
        Race race = Run(way);
        Assert.True(race.Changed == 0, race.Text);
        Assert.True(race.Opened > 0, $"The attacker opened no file, so nothing was proved: {race.Text}");
        Assert.All(race.Refused, cause => Assert.Equal("NotSealed", cause));
        Assert.True(race.Slowest < 30, $"A lease kept the victim waiting: {race.Text}");
    }

    /// <summary>
    /// The control is the same attack on a process of the same user that is dumpable: it opens files.
    /// </summary>
    [Theory]
    [InlineData(nameof(CodeRace.Way.NotDumpable))]
    [InlineData(nameof(CodeRace.Way.OtherUser))]
    public void Another_user_and_an_attacker_of_a_process_that_is_not_dumpable_open_no_file(string way)
    {
        bool isOtherUser = way == nameof(CodeRace.Way.OtherUser);
        Assert.SkipWhen(isOtherUser && !MayBecomeOther, "Only root can become another user, by setpriv.");
        Race race = Run(way, asOther: !isOtherUser);
        Race control = Run(nameof(CodeRace.Way.Seal));
        Assert.True(control.Opened > 0, $"The control opened no file, so nothing was proved: {control.Text}");
        Assert.True(race is { Changed: 0, Opened: 0, Refused: [] } && race.Fine > 0, race.Text);
    }

    [Theory]
    [InlineData(nameof(CodeRace.Way.UnprotectedInstall))]
    [InlineData(nameof(CodeRace.Way.UnprotectedLive))]
    public void Control_the_same_attacker_changes_code_that_is_not_looked_at_again(string way)
    {
        Race race = Run(way);
        Assert.True(race.Changed > 0, $"The control saw nothing: {race.Text}");
    }

    private static bool MayBecomeOther => Environment.IsPrivilegedProcess && File.Exists(CodeRace.AsOtherUser[0]);

    private static Race Run(string way, bool asOther = true)
    {
        Raw.Machine.NeedsRawPrograms(); // The code is x86-64's, and live code is implemented there only.
        ProcessStartInfo start = CodeRace.ThisProgram(
            asOther && MayBecomeOther ? CodeRace.AsOtherUser : [],
            Child.RaceVictim
        );
        start.Environment[CodeRace.Target] = way;
        start.Environment[CodeRace.Trials] = Trials;
        using Process victim = Process.Start(start)!;
        Task<string> output = victim.StandardOutput.ReadToEndAsync();
        Task<string> errors = victim.StandardError.ReadToEndAsync();
        if (!victim.WaitForExit(Bound))
        {
            victim.Kill(entireProcessTree: true);
            Assert.Fail($"The victim was still running after {Bound}.");
        }

        Assert.True(victim.ExitCode == 0, $"status {victim.ExitCode}: {errors.Result}");
        string[] fields = output.Result.Trim().Split(' ');
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{way}: changed, fine, opened, refused, slowest (s): " + $"{output.Result.Trim()}"
        );
        return new(
            int.Parse(fields[0], CultureInfo.InvariantCulture),
            int.Parse(fields[1], CultureInfo.InvariantCulture),
            int.Parse(fields[2], CultureInfo.InvariantCulture),
            fields[3] == "-" ? [] : [.. fields[3].Split(',').Select(cause => cause.Split('=')[0])],
            int.Parse(fields[4], CultureInfo.InvariantCulture),
            $"{way}: changed, fine, opened, refused, slowest (s): {output.Result.Trim()}"
        );
    }

    private sealed record Race(int Changed, int Fine, int Opened, string[] Refused, int Slowest, string Text);
}
