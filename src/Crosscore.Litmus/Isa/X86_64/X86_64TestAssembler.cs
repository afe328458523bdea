using System.Runtime.InteropServices;
using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>Assembles X86_64 tests for this machine.</summary>
internal sealed class X86_64TestAssembler : ITestAssembler
{
    public string Requires => "x86-64 Linux";

    public bool RunsHere =>
        OperatingSystem.IsLinux()
        && RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64;

    public bool HasLoop(LitmusThread column) => X86_64Assembler.HasLoop(column);

    public bool HasComputedAddress(LitmusThread column) =>
        column
            .InstructionsAs<X86_64Instruction>()
            .Any(instruction => instruction.Memory is { Base: not null } or { Index: not null });

    public RendezvousCode Rendezvous(LitmusTest test, MemoryLayout layout)
    {
        ColumnRegisters[] registers = RegistersOf(test);
        return new RendezvousCode(
            Array.ConvertAll(registers, column => RendezvousLoop.Assemble(test, layout, column)),
            Array.ConvertAll(
                registers,
                column => (IReadOnlyList<TestRegister>)[.. column.Observed.Select(register => register.ToTest())]
            )
        );
    }

    public PerpetualPlan? Plan(LitmusTest test, out string reason) => PerpetualPlanner.TryCreate(test, out reason);

    public byte[][] Perpetual(LitmusTest test, MemoryLayout layout, PerpetualPlan plan) =>
        Array.ConvertAll(RegistersOf(test), column => PerpetualLoop.Assemble(test, layout, plan, column));

    private static ColumnRegisters[] RegistersOf(LitmusTest test) =>
        [.. test.Threads.Select(thread => new ColumnRegisters(test, thread))];
}
