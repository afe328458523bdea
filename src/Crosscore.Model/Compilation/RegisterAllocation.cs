using Crosscore.Model.Programs;

namespace Crosscore.Model.Compilation;

/// <summary>
/// Lets registers of a thread share a field of the state when they never hold a value that matters at the same time
/// (Chaitin 1982, greedily). Code that a front end generates has a register for every intermediate value; few of them
/// are alive together.
/// </summary>
internal static class RegisterAllocation
{
    /// <summary>The number of the field that each register gets, from 0 without gaps.</summary>
    /// <param name="code">The code.</param>
    /// <param name="analysis">What is alive where.</param>
    /// <param name="entries">Operations that the code may begin with, besides the first.</param>
    public static int[] Fields(ThreadCode code, StaticAnalysis analysis, IEnumerable<int> entries)
    {
        int registers = code.InitialRegisters.Count;
        ulong[] conflicts = new ulong[registers];
        for (int index = 0; index < code.Ops.Count; index++)
        {
            Conflict(conflicts, analysis.LiveRegisters[index]);
            int destination = code.Ops[index].Destination;
            foreach (int next in analysis.SuccessorsOf(index).Where(_ => destination >= 0))
            {
                // A result that no code reads is written too, and must not overwrite a value that some code reads.
                Conflict(conflicts, analysis.LiveRegisters[next] | (1UL << destination));
            }
        }

        Conflict(conflicts, analysis.LiveRegisters[code.Ops.Count]);
        foreach (int entry in entries)
        {
            Conflict(conflicts, analysis.LiveRegisters[entry]);
        }

        return Color(conflicts);
    }

    private static int[] Color(ulong[] conflicts)
    {
        int[] fields = new int[conflicts.Length];
        for (int register = 0; register < fields.Length; register++)
        {
            ulong taken = 0;
            for (int other = 0; other < register; other++)
            {
                taken |= (conflicts[register] >> other & 1) != 0 ? 1UL << fields[other] : 0;
            }

            fields[register] = System.Numerics.BitOperations.TrailingZeroCount(~taken);
        }

        return fields;
    }

    private static void Conflict(ulong[] conflicts, ulong together)
    {
        for (int register = 0; register < conflicts.Length; register++)
        {
            if ((together >> register & 1) != 0)
            {
                conflicts[register] |= together & ~(1UL << register);
            }
        }
    }
}
