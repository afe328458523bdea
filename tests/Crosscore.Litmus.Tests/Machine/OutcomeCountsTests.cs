using Crosscore.Litmus.Machine;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>The table of outcomes keeps every outcome apart, however many there are.</summary>
public class OutcomeCountsTests
{
    [Fact]
    public void A_thousand_outcomes_keep_their_own_counts()
    {
        var counts = new OutcomeCounts(2);
        for (int round = 0; round < 3; round++)
        {
            for (ulong value = 0; value < 1000; value++)
            {
                counts.Count(counts.NumberOf([value, value % 7]));
            }
        }

        Assert.Equal(1000, counts.Distinct);
        for (int number = 0; number < 1000; number++)
        {
            Assert.Equal(3, counts.CountOf(number));
            Assert.Equal([(ulong)number, (ulong)number % 7], counts.ValuesOf(number).ToArray());
        }
    }

    [Fact]
    public void An_outcome_without_values_is_one_outcome()
    {
        var counts = new OutcomeCounts(0);
        counts.Count(counts.NumberOf([]));
        counts.Count(counts.NumberOf([]));
        Assert.Equal(1, counts.Distinct);
        Assert.Equal(2, counts.CountOf(0));
    }
}
