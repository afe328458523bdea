using Crosscore.Litmus.Outcomes;

namespace Crosscore.Litmus.Machine;

/// <summary>Asks the caller's question of each outcome once, when it first appears.</summary>
/// <param name="question">The question, if there is one.</param>
/// <param name="counts">Where outcomes appear.</param>
internal sealed class StopCondition(Func<Outcome, bool>? question, IReadOnlyList<OutcomeCounts> counts)
{
    private readonly int[] _asked = new int[counts.Count];

    /// <summary>Whether the answer was yes for an outcome that was not there the last time.</summary>
    public bool IsMet()
    {
        if (question is null)
        {
            return false;
        }

        for (int part = 0; part < counts.Count; part++)
        {
            while (_asked[part] < counts[part].Distinct)
            {
                if (question(new Outcome(counts[part].ValuesOf(_asked[part]++))))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
