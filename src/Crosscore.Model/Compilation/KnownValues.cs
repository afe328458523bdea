using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Compilation;

/// <summary>
/// Finds the values that a program names. Their numbers are given in this order, so that an exploration of the same
/// program numbers its values the same way each time.
/// </summary>
internal static class KnownValues
{
    /// <summary>Makes the table of the values that a program names.</summary>
    /// <param name="program">The program.</param>
    /// <param name="map">The cells of its memory.</param>
    public static ValueTable Of(ModelProgram program, CellMap map)
    {
        var values = new ValueTable();
        foreach (ThreadCode thread in program.AllCode)
        {
            foreach (ulong value in thread.InitialRegisters)
            {
                values.Number(value);
            }

            // The address of a load or store is resolved beforehand and needs no number; every other constant can
            // end up in a register or a cell.
            foreach (MicroOp op in thread.Ops)
            {
                values.Number(op.B.Constant);
                if (op.Width == 0)
                {
                    values.Number(op.A.Constant);
                }
            }
        }

        for (int cell = 0; cell < map.Count; cell++)
        {
            values.Number(map.InitialValue(cell));
        }

        // The result of a choice is 0 or 1.
        if (program.AllOps.Any(op => op.Kind is MicroOpKind.Choose or MicroOpKind.TryReservation))
        {
            values.Number(1);
        }

        // Code can ask for the numbers of CPUs and tasks.
        if (program.System is CpuSystem system)
        {
            for (ulong number = 0; number <= (ulong)Math.Max(system.Cpus, program.Threads.Count); number++)
            {
                values.Number(number);
            }
        }

        return values;
    }
}
