using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;
using Iced.Intel;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Which registers a column uses and which are left to the code around it: the column keeps every register that it
/// names, so the bytes that run are the instructions of the test and not a renamed variant of them.
/// </summary>
internal sealed class ColumnRegisters
{
    // Those that a system call leaves alone come first, so that membarrier has less to save.
    private static readonly X86_64Register[] Preferred =
    [
        X86_64Register.R15,
        X86_64Register.R14,
        X86_64Register.R13,
        X86_64Register.R12,
        X86_64Register.Rbx,
        X86_64Register.Rbp,
        X86_64Register.R10,
        X86_64Register.R9,
        X86_64Register.R8,
        X86_64Register.Rdx,
        X86_64Register.Rsi,
        X86_64Register.Rdi,
        X86_64Register.R11,
        X86_64Register.Rcx,
        X86_64Register.Rax,
    ];

    private static readonly Register[][] Names =
    [
        [
            Register.RAX,
            Register.RCX,
            Register.RDX,
            Register.RBX,
            Register.RSP,
            Register.RBP,
            Register.RSI,
            Register.RDI,
            Register.R8,
            Register.R9,
            Register.R10,
            Register.R11,
            Register.R12,
            Register.R13,
            Register.R14,
            Register.R15,
        ],
        [
            Register.EAX,
            Register.ECX,
            Register.EDX,
            Register.EBX,
            Register.ESP,
            Register.EBP,
            Register.ESI,
            Register.EDI,
            Register.R8D,
            Register.R9D,
            Register.R10D,
            Register.R11D,
            Register.R12D,
            Register.R13D,
            Register.R14D,
            Register.R15D,
        ],
        [
            Register.AX,
            Register.CX,
            Register.DX,
            Register.BX,
            Register.SP,
            Register.BP,
            Register.SI,
            Register.DI,
            Register.R8W,
            Register.R9W,
            Register.R10W,
            Register.R11W,
            Register.R12W,
            Register.R13W,
            Register.R14W,
            Register.R15W,
        ],
        [
            Register.AL,
            Register.CL,
            Register.DL,
            Register.BL,
            Register.SPL,
            Register.BPL,
            Register.SIL,
            Register.DIL,
            Register.R8L,
            Register.R9L,
            Register.R10L,
            Register.R11L,
            Register.R12L,
            Register.R13L,
            Register.R14L,
            Register.R15L,
        ],
    ];

    private readonly SortedSet<X86_64Register> _used = [];
    private readonly int _thread;
    private readonly string _test;

    /// <summary>Looks a column through.</summary>
    /// <param name="test">The test.</param>
    /// <param name="thread">The column.</param>
    /// <exception cref="MachineRunException">It uses the stack pointer.</exception>
    public ColumnRegisters(LitmusTest test, LitmusThread thread)
    {
        _test = test.Name;
        _thread = thread.Id;
        Column = thread;
        Observed =
        [
            .. test
                .Observables.Where(item => !item.IsMemory && item.Thread == thread.Id)
                .Select(item => item.Register.ToX86_64())
                .Distinct(),
        ];
        _used.UnionWith(Observed);
        _used.UnionWith(thread.InitialRegisters.Keys.Select(register => register.ToX86_64()));
        foreach (X86_64Instruction instruction in thread.InstructionsAs<X86_64Instruction>())
        {
            _used.UnionWith(NamedBy(instruction));
        }

        if (_used.Contains(X86_64Register.Rsp))
        {
            throw new MachineRunException(
                $"{_test}: P{_thread} uses rsp, which is the stack of the thread that runs it."
            );
        }

        Initialized = [.. _used];
    }

    /// <summary>Gets the column.</summary>
    public LitmusThread Column { get; }

    /// <summary>Gets the registers whose final value the test asks for, in the order in which a result is
    /// stored.</summary>
    public IReadOnlyList<X86_64Register> Observed { get; }

    /// <summary>
    /// Gets the registers that the column itself names or that are observed: they start as its initial state says.
    /// </summary>
    public IReadOnlyList<X86_64Register> Initialized { get; }

    /// <summary>Takes a register that nothing uses yet.</summary>
    /// <param name="purpose">What for, to say it when there is none.</param>
    /// <exception cref="MachineRunException">All are used.</exception>
    public X86_64Register Take(string purpose)
    {
        foreach (X86_64Register register in Preferred)
        {
            if (_used.Add(register))
            {
                return register;
            }
        }

        throw new MachineRunException(
            $"{_test}: P{_thread} leaves no register free for {purpose}; "
                + "use one register less in this column to run it on a machine."
        );
    }

    /// <summary>Gets how many registers are left.</summary>
    public int Free => Preferred.Count(register => !_used.Contains(register));

    /// <summary>Whether the column or the code around it needs the register's value.</summary>
    /// <param name="register">A register.</param>
    public bool Uses(X86_64Register register) => _used.Contains(register);

    /// <summary>Gets the assembler's name of the lowest bytes of a register.</summary>
    /// <param name="register">The register.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    public static Register Name(X86_64Register register, int width = 8) =>
        Names[
            width switch
            {
                8 => 0,
                4 => 1,
                2 => 2,
                _ => 3,
            }
        ][(int)register];

    private static IEnumerable<X86_64Register> NamedBy(X86_64Instruction instruction)
    {
        if (instruction.Opcode == X86_64Opcode.Cmpxchg)
        {
            yield return X86_64Register.Rax;
        }

        foreach (X86_64Operand operand in instruction.Operands)
        {
            switch (operand)
            {
                case X86_64RegisterOperand register:
                    yield return register.Register;
                    break;
                case X86_64MemoryOperand memory:
                    if (memory.Base is { } @base)
                    {
                        yield return @base;
                    }

                    if (memory.Index is { } index)
                    {
                        yield return index;
                    }

                    break;
            }
        }
    }
}
