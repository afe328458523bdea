using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// The torture in this process and, in children, in every mode of the fence and with the settings of the JIT that
/// change when methods are optimized. The control is a reader that uses what it read after it has left.
/// </summary>
public sealed class RcuTortureTests
{
    [Fact]
    public void No_reader_sees_an_element_two_grace_periods_old_or_poison()
    {
        using var domain = new RcuDomain();
        using var torture = new RcuTorture(domain);
        torture.Run(TimeSpan.FromSeconds(2));
        Check(torture.PoisonSeen, torture.Updates, torture.Threads, torture.AgesSeen);
        Assert.True(domain.Statistics.AbandonedSections > 0);
        Assert.InRange(domain.Statistics.Readers, 0, 64);
    }

    [Theory]
    [InlineData(FenceDecision.VariableName, "Symmetric")]
    [InlineData(FenceDecision.VariableName, "Membarrier")]
    [InlineData(FenceDecision.VariableName, "PageProtection")]
    [InlineData("DOTNET_TieredCompilation", "0")]
    [InlineData("DOTNET_TieredPGO", "0")]
    [InlineData("DOTNET_gcServer", "1")]
    public void The_same_in_every_mode_and_under_other_settings_of_the_runtime(string setting, string value)
    {
        if (setting == FenceDecision.VariableName)
        {
            FenceDecision decision = FenceDecision.Choose(value, FenceProbe.Ask());
            Assert.SkipUnless(decision.Error is null, decision.Error ?? "");
        }

        ChildResult child = ChildProcess.RunThisProgram(Child.TortureRcu, null, (setting, value));
        Assert.True(child.Status == 0, child.Errors);
        string[] lines = child.Text.Split('\n');
        if (setting == FenceDecision.VariableName)
        {
            Assert.Equal(value, lines[0]);
        }

        long[] counts = [.. lines[1].Split(' ').Select(long.Parse)];
        Check(counts[0], counts[1], counts[2], [.. lines[2].Split(' ').Select(long.Parse)]);
    }

    [Fact]
    public void Readers_that_use_a_value_after_their_section_see_it_disposed_of()
    {
        // The control: if this went unnoticed, the quiet of the others would prove nothing.
        Processor.NeedsTwo();
        using var domain = new RcuDomain();
        bool seen = false;
        using var cell = new RcuCell<Poisonable>(new Poisonable(), domain);
        using var reader = new Background(() =>
        {
            long began = Environment.TickCount64;
            while (!seen && Environment.TickCount64 - began < 20_000)
            {
                Poisonable value;
                using (cell.Read(out value)) { }

                Thread.SpinWait(2_000);
                seen |= value.IsPoisoned;
            }
        });
        while (reader.Thread.IsAlive)
        {
            cell.Replace(new Poisonable());
            domain.Synchronize();
        }

        reader.Join();
        Assert.True(seen, "The control saw nothing.");
    }

    private static void Check(long poison, long updates, long threads, IReadOnlyList<long> ages)
    {
        Assert.Equal(0, poison);
        Assert.True(updates > 10, $"Only {updates} updates.");
        Assert.True(threads > 10, $"Only {threads} threads.");
        Assert.True(ages[0] > 1_000, $"Only {ages[0]} reads.");
        Assert.All(ages.Skip(2), count => Assert.Equal(0, count));
    }

    private sealed class Poisonable : IDisposable
    {
        private volatile bool _poisoned;

        public bool IsPoisoned => _poisoned;

        public void Dispose() => _poisoned = true;
    }
}
