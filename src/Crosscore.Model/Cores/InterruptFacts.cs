using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Cores;

/// <summary>
/// Facts about a kernel's interrupt handlers on which <see cref="IIndependence"/> relies. They hold for every state, so
/// they are computed once.
/// </summary>
internal sealed class InterruptFacts
{
    /// <summary>Looks at the code of the CPUs of a program.</summary>
    public InterruptFacts(CompiledProgram program)
    {
        if (program.Source.System is not CpuSystem system)
        {
            return;
        }

        CompiledOp[] ops = program.CpuCode[0].Ops;
        ReturnOnlyReturns = ops[system.ReturnEntry].Kind == MicroOpKind.ReturnFromInterrupt;
        HandlersOnlyFence =
            system.IpiOrder != IpiOrder.None
            && program.Interrupts.Handlers.All(handler =>
                ops.Skip(system.HandlerEntries[handler])
                    .TakeWhile(op => op.Kind != MicroOpKind.EndInterrupt)
                    .All(op => op.Width == 0)
            );
    }

    /// <summary>Gets whether the return to user mode does nothing but return.</summary>
    public bool ReturnOnlyReturns { get; }

    /// <summary>
    /// Gets whether every handler answers behind the stores of the CPU that it interrupts, and accesses no memory
    /// itself. Then a CPU that sends an interrupt cannot tell whether the target has returned from an earlier one.
    /// </summary>
    public bool HandlersOnlyFence { get; }
}
