using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// The machine code around one column in perpetual mode. Iterations are numbered from 1; stores write the number. The
/// fast side:
/// <code>
///     do {
///         n++; the column
///         // own numbers are logged less n: 0 or -1, so they do not differ
///         if (any observed register differs from last time) log(n, the registers)
///         progress = n
///     } while (!leave &amp;&amp; n != limit)
/// </code>
/// The slow side, which begins once the fast side runs and ends it when it is through:
/// <code>
///     do {
///         // without a membarrier, progress is noted only at the end
///         n++; the column, with the fast side's progress noted before and after its membarrier
///         log(progress before, progress after, the registers)
///     } while (!leave &amp;&amp; n != limit)
///     leave = 1
/// </code>
/// </summary>
internal static class PerpetualLoop
{
    /// <summary>Registers that a column must leave: the memory's address, the number, and one to work with.</summary>
    public const int RegistersNeeded = 3;

    /// <summary>Most registers that one column can log.</summary>
    public const int MaxLogged = 13;

    /// <summary>What no logged value is: iteration numbers are small, and so are their differences.</summary>
    private const long NeverLogged = long.MinValue;

    private const int LogSlot = Frame.Loop;
    private const int LogEndSlot = Frame.Loop + 8;
    private const int LimitSlot = Frame.Loop + 16;
    private const int LastSlot = Frame.Loop + 24;
    private const int SchedYield = 24;

    /// <summary>Assembles the function for one column.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="plan">Its perpetual form.</param>
    /// <param name="registers">The column's registers.</param>
    public static byte[] Assemble(LitmusTest test, MemoryLayout layout, PerpetualPlan plan, ColumnRegisters registers)
    {
        bool fast = registers.Column.Id == plan.Fast;
        IReadOnlyList<PerpetualLoad> loads = plan.Loads[registers.Column.Id];
        var assembler = new X86_64Assembler(test, layout, registers) { NotesProgress = !fast };
        X86_64Register number = registers.Take("the number of the iteration");
        AssemblerRegister64 work = X86_64Assembler.Of(registers.Take("the loop"));
        Assembler emit = assembler.Emit;
        Label finish = emit.CreateLabel();

        assembler.Enter(
            PerpetualControl.Shared,
            (PerpetualControl.Memory, Frame.Instance),
            (PerpetualControl.Log, LogSlot),
            (PerpetualControl.LogEnd, LogEndSlot),
            (PerpetualControl.Limit, LimitSlot)
        );

        Begin(assembler, loads.Count, number, fast);
        Label top = emit.CreateLabel();
        emit.Label(ref top);
        emit.inc(X86_64Assembler.Of(number));
        Column(assembler, number);
        if (fast)
        {
            LogChange(assembler, registers.Column.Id, loads, X86_64Assembler.Of(number), work, finish);
        }
        else
        {
            if (!plan.HasMembarrier)
            {
                NoteProgress(emit, work);
            }

            LogIteration(emit, loads, work);
        }

        emit.mov(work, X86_64Assembler.Slot(Frame.Shared));
        if (fast)
        {
            emit.mov(__qword_ptr[work + SharedBlock.Line(0)], X86_64Assembler.Of(number));
        }

        emit.cmp(__dword_ptr[work + SharedBlock.Leave], 0);
        emit.jne(finish);
        emit.cmp(X86_64Assembler.Of(number), X86_64Assembler.Slot(LimitSlot));
        emit.jne(top);

        emit.Label(ref finish);
        Finish(emit, number, work, fast);
        assembler.Leave(PerpetualControl.Answer);
        return assembler.ToBytes();
    }

    private static void Begin(X86_64Assembler assembler, int loads, X86_64Register number, bool fast)
    {
        Assembler emit = assembler.Emit;
        if (!fast)
        {
            AwaitFastSide(assembler);
        }

        emit.mov(rax, NeverLogged);
        for (int index = 0; index < loads; index++)
        {
            emit.mov(X86_64Assembler.Slot(LastSlot + (8 * index)), rax);
        }

        emit.mov(assembler.Base, X86_64Assembler.Slot(Frame.Instance));
        assembler.SetInitialRegisters();
        var narrow = new AssemblerRegister32(ColumnRegisters.Name(number, 4));
        emit.xor(narrow, narrow);
        emit.mov(X86_64Assembler.Slot(Frame.ProgressAfter), X86_64Assembler.Of(number));
    }

    // An iteration may be shorter than one of the fast side's, so the end of the one before is taken as the beginning.
    private static void NoteProgress(Assembler emit, AssemblerRegister64 work)
    {
        emit.push(X86_64Assembler.Slot(Frame.ProgressAfter));
        emit.pop(X86_64Assembler.Slot(Frame.ProgressBefore));
        emit.mov(work, X86_64Assembler.Slot(Frame.Shared));
        emit.mov(work, __qword_ptr[work + SharedBlock.Line(0)]);
        emit.mov(X86_64Assembler.Slot(Frame.ProgressAfter), work);
    }

    // Leaves the results in the control block; the slow side ends the fast one.
    private static void Finish(Assembler emit, X86_64Register number, AssemblerRegister64 work, bool fast)
    {
        emit.mov(work, X86_64Assembler.Slot(Frame.Control));
        emit.mov(__qword_ptr[work + PerpetualControl.Iterations], X86_64Assembler.Of(number));
        emit.push(X86_64Assembler.Slot(LogSlot));
        emit.pop(__qword_ptr[work + PerpetualControl.Log]);
        if (!fast)
        {
            emit.mov(work, X86_64Assembler.Slot(Frame.Shared));
            emit.mov(__dword_ptr[work + SharedBlock.Leave], 1);
        }
    }

    // Unaltered but for the constants: a store writes the number of the iteration, with the width that the test gives
    // it.
    private static void Column(X86_64Assembler assembler, X86_64Register number)
    {
        foreach (X86_64Instruction instruction in assembler.Registers.Column.InstructionsAs<X86_64Instruction>())
        {
            if (instruction.Opcode == X86_64Opcode.Ret)
            {
                continue;
            }

            bool store = instruction.Opcode == X86_64Opcode.Mov && instruction.Operands[1] is X86_64MemoryOperand;
            assembler.Instruction(
                !store
                    ? instruction
                    : new X86_64Instruction
                    {
                        Opcode = instruction.Opcode,
                        Width = instruction.Width,
                        SourceWidth = instruction.SourceWidth,
                        Operands = [new X86_64RegisterOperand(number, instruction.Width), instruction.Operands[1]],
                        Condition = instruction.Condition,
                        Lock = instruction.Lock,
                        Target = instruction.Target,
                        Command = instruction.Command,
                        Position = instruction.Position,
                        Text = instruction.Text,
                    }
            );
        }
    }

    private static void LogChange(
        X86_64Assembler assembler,
        int thread,
        IReadOnlyList<PerpetualLoad> loads,
        AssemblerRegister64 number,
        AssemblerRegister64 work,
        Label finish
    )
    {
        Assembler emit = assembler.Emit;
        Label changed = emit.CreateLabel();
        Label same = emit.CreateLabel();
        for (int index = 0; index < loads.Count; index++)
        {
            emit.mov(work, X86_64Assembler.Of(loads[index].Register.ToX86_64()));
            if (loads[index].Writer == thread)
            {
                emit.sub(work, number);
            }

            emit.cmp(work, X86_64Assembler.Slot(LastSlot + (8 * index)));
            emit.jne(changed);
        }

        emit.jmp(same);
        emit.Label(ref changed);
        emit.mov(work, X86_64Assembler.Slot(LogSlot));
        emit.mov(__qword_ptr[work], number);
        for (int index = 0; index < loads.Count; index++)
        {
            foreach (
                AssemblerMemoryOperand target in new[]
                {
                    __qword_ptr[work + (8 * (1 + index))],
                    X86_64Assembler.Slot(LastSlot + (8 * index)),
                }
            )
            {
                emit.mov(target, X86_64Assembler.Of(loads[index].Register.ToX86_64()));
                if (loads[index].Writer == thread)
                {
                    emit.sub(target, number);
                }
            }
        }

        emit.add(work, PerpetualControl.FastEntry(loads.Count));
        emit.mov(X86_64Assembler.Slot(LogSlot), work);
        emit.cmp(work, X86_64Assembler.Slot(LogEndSlot));
        emit.jae(finish);
        emit.Label(ref same);
        emit.zero_bytes();
    }

    private static void LogIteration(Assembler emit, IReadOnlyList<PerpetualLoad> loads, AssemblerRegister64 work)
    {
        emit.mov(work, X86_64Assembler.Slot(LogSlot));
        emit.push(X86_64Assembler.Slot(Frame.ProgressBefore));
        emit.pop(__qword_ptr[work]);
        emit.push(X86_64Assembler.Slot(Frame.ProgressAfter));
        emit.pop(__qword_ptr[work + 8]);
        for (int index = 0; index < loads.Count; index++)
        {
            emit.mov(__qword_ptr[work + (8 * (2 + index))], X86_64Assembler.Of(loads[index].Register.ToX86_64()));
        }

        emit.add(work, PerpetualControl.SlowEntry(loads.Count));
        emit.mov(X86_64Assembler.Slot(LogSlot), work);
    }

    // The column has not begun, so all registers are free here.
    private static void AwaitFastSide(X86_64Assembler assembler)
    {
        Assembler emit = assembler.Emit;
        Label look = emit.CreateLabel();
        Label runs = emit.CreateLabel();
        emit.Label(ref look);
        emit.mov(rsi, X86_64Assembler.Slot(Frame.Shared));
        emit.cmp(__qword_ptr[rsi + SharedBlock.Line(0)], 0);
        emit.jne(runs);
        emit.cmp(__dword_ptr[rsi + SharedBlock.Leave], 0);
        emit.jne(assembler.Exit);
        emit.mov(eax, SchedYield);
        emit.syscall();
        emit.jmp(look);
        emit.Label(ref runs);
        emit.zero_bytes();
    }
}
