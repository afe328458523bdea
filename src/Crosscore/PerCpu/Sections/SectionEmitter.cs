using Crosscore.Isa;
using Crosscore.Linux;

namespace Crosscore.PerCpu;

/// <summary>
/// What tests change about a section: controls without protection, and wider windows for interruptions.
/// </summary>
/// <param name="Armed">Whether the kernel is told of the section. Without, nothing restarts it: the control of every
/// test.</param>
/// <param name="Delay">Turns of an empty loop after each step.</param>
internal readonly record struct SectionVariant(bool Armed = true, int Delay = 0)
{
    public static SectionVariant Shipped { get; } = new(Armed: true);
}

/// <summary>Machine code, and where its parts begin.</summary>
internal readonly record struct SectionCode(byte[] Bytes, int Start, int PostCommit, int Abort);

/// <summary>
/// Turns the steps of a section into x86-64 machine code with the System V convention: RDI slots, RSI RDX RCX R8
/// arguments; RAX what is returned, RDX whether the section was left. As C, with the registers of the code:
/// <code>
/// retry:
///     r11 = &amp;descriptor;
///     thread.rseq_cs = r11;               // armed
/// start:                                   // descriptor.start: an interruption from here on restarts
///     eax = thread.cpu_id;                 // inside, or the thread could move between this and being protected
///     if (eax >= slots) goto no_slot;      // not registered: the number is negative
///     [ the same with thread.mm_cid where that selects the slot ]
///     rax = rdi + eax * stride;
///     if (*rax != 0) goto stopped;         // pairs with PerCpuArea.StopSections
///     ... the steps, which may leave ...
///     *(rax + n) = r9;                     // COMMIT: one instruction, the last one of the section
/// post_commit:                             // descriptor.start + descriptor.post_commit_offset
///     return (r10, 0);
/// leave:
///     return (code, 1);
///     .byte 0x0f, 0xb9, 0x3d               // with the signature: ud1 edi, [rip + 0x53053053], for disassemblers
///     .long 0x53053053                     // without this before an abort address the kernel ends the process
/// abort:                                   // descriptor.abort
///     goto retry;
/// </code>
/// No instruction between start and post_commit is a call or a system call, none but the last stores where another
/// section of this slot may look before the commit, and none changes RDI or an argument, which a restart needs.
/// </summary>
internal static class SectionEmitter
{
    /// <summary>
    /// Up to this many bytes are copied by moves one after the other, more by a loop of 16 bytes a turn.
    /// </summary>
    private const int Unrolled = 128;

    /// <param name="program">The steps.</param>
    /// <param name="registers">Where the values live.</param>
    /// <param name="area">The offset of the thread's area from its thread pointer.</param>
    /// <param name="descriptor">Where the descriptor will lie.</param>
    /// <param name="variant">What a test changes, or <see cref="SectionVariant.Shipped"/>.</param>
    public static SectionCode Emit(
        SectionProgram program,
        RegisterChoice registers,
        int area,
        nint descriptor,
        SectionVariant variant
    )
    {
        var code = new X86_64Encoder();
        var exits = new SortedDictionary<int, X86_64Label>();
        var retry = new X86_64Label();
        code.Mark(retry);
        if (variant.Armed)
        {
            code.MoveWide(Gpr.R11, descriptor);
            code.StoreThreadFieldFromR11(area + RseqCall.RseqCsOffset);
        }

        int start = code.Length;
        FindSlot(program, registers, area, code, exits);
        foreach (SectionStep step in program.Steps)
        {
            if (variant.Delay > 0)
            {
                Delay(code, variant.Delay);
            }

            Step(program.Shape, registers, step, code, exits);
        }

        int postCommit = code.Length;
        if (program.Result == SectionStep.None)
        {
            code.MoveNumber(Gpr.Rax, 0);
        }
        else
        {
            code.Move(Gpr.Rax, registers[program.Result]);
        }

        code.MoveNumber(Gpr.Rdx, 0);
        code.Return();
        foreach ((int exit, X86_64Label label) in exits)
        {
            code.Mark(label);
            code.MoveNumber(Gpr.Rax, exit);
            code.MoveNumber(Gpr.Rdx, 1);
            code.Return();
        }

        code.Undefined(RseqCall.Signature);
        int abort = code.Length;
        code.Jump(retry);
        return new SectionCode(code.ToArray(), start, postCommit, abort);
    }

    private static void FindSlot(
        SectionProgram program,
        RegisterChoice registers,
        int area,
        X86_64Encoder code,
        SortedDictionary<int, X86_64Label> exits
    )
    {
        SlotShape shape = program.Shape;
        LoadIndex(area + RseqCall.CpuIdOffset);
        if (shape.Index == PerCpuIndex.ConcurrencyId)
        {
            // Not instead: only cpu_id is negative where a thread is not registered. mm_cid is 0 there, as if the slot
            // were its own (rseq_reset_rseq_cpu_node_id). Without the first look UnknownThreadTests finds their adds in
            // a slot of others.
            LoadIndex(area + RseqCall.ConcurrencyIdOffset);
        }

        foreach (SectionStep step in program.Steps.Where(step => step.Operation == SectionOperation.ThisSlot))
        {
            code.Move(registers[step.Target], Gpr.Rax);
        }

        if (int.IsPow2(shape.Stride))
        {
            code.ShiftLeft(Gpr.Rax, (byte)int.Log2(shape.Stride));
        }
        else
        {
            code.Multiply(Gpr.Rax, Gpr.Rax, shape.Stride);
        }

        code.Add(Gpr.Rax, Gpr.Rdi);
        if (shape.CanStop)
        {
            // Pairs with the store in PerCpuArea.StopSections, which a barrier follows, and the one in
            // PerCpuArea.Release. Before every load of the data, which x86-64 keeps in order: a section that finds 0
            // commits before the barrier or is restarted by it. litmus/kernel/PerCpu.Take and PerCpu.Steal, and their
            // twins.
            code.CompareInMemory(Gpr.Rax, 0, 0);
            code.JumpIf(X86_64Condition.NotEqual, Exit(exits, SectionExit.Stopped));
        }

        void LoadIndex(int field)
        {
            code.LoadThreadField(field);
            // the upper half of RAX is zero, so a negative number is a very large one
            code.Compare(Gpr.Rax, shape.CpuSlots);
            code.JumpIf(X86_64Condition.AboveOrEqual, Exit(exits, SectionExit.NoSlot));
        }
    }

    private static void Step(
        SlotShape shape,
        RegisterChoice registers,
        SectionStep step,
        X86_64Encoder code,
        SortedDictionary<int, X86_64Label> exits
    )
    {
        Gpr a = step.A == SectionStep.None ? Gpr.R11 : registers[step.A];
        Gpr b = step.B == SectionStep.None ? Gpr.R11 : registers[step.B];
        if (step.Operation is SectionOperation.LoadAt or SectionOperation.StoreAt)
        {
            SlotAddress(shape, step, a, 8, code, exits);
        }

        int place = shape.Header + (int)step.Number; // of a step whose number is an offset in the slot
        if (step.Target != SectionStep.None)
        {
            MakeValue(step, registers[step.Target], a, b, place, code);
            return;
        }

        switch (step.Operation)
        {
            case SectionOperation.Store or SectionOperation.CommitStore:
                code.Store(Gpr.Rax, place, a);
                break;
            case SectionOperation.StoreAt:
                code.Store(Gpr.R11, 0, b);
                break;
            case SectionOperation.StoreTo:
                code.Store(a, (int)step.Number, b);
                break;
            case SectionOperation.CommitAdd:
                code.AddToMemory(Gpr.Rax, place, a);
                break;
            case SectionOperation.LeaveIfEqual or SectionOperation.LeaveIfNotEqual or SectionOperation.LeaveIfAtLeast:
                code.Compare(a, b);
                code.JumpIf(Condition(step.Operation), Exit(exits, step.Code));
                break;
            case SectionOperation.LeaveIfNumber or SectionOperation.LeaveIfNotNumber:
                code.Compare(a, (int)step.Number);
                code.JumpIf(Condition(step.Operation), Exit(exits, step.Code));
                break;
            case SectionOperation.CopyIn or SectionOperation.CopyOut:
                Copy(shape, registers, step, code, exits);
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {step.Operation} has no machine code.");
        }
    }

    private static void MakeValue(SectionStep step, Gpr target, Gpr a, Gpr b, int place, X86_64Encoder code)
    {
        switch (step.Operation)
        {
            case SectionOperation.ThisSlot:
                break; // taken at the beginning
            case SectionOperation.Constant:
                code.MoveNumber(target, step.Number);
                break;
            case SectionOperation.Load:
                code.Load(target, Gpr.Rax, place);
                break;
            case SectionOperation.LoadAt:
                code.Load(target, Gpr.R11, 0);
                break;
            case SectionOperation.LoadFrom:
                code.Load(target, a, (int)step.Number);
                break;
            case SectionOperation.Add:
                code.Move(target, a);
                code.Add(target, b);
                break;
            case SectionOperation.Subtract:
                code.Move(target, a);
                code.Subtract(target, b);
                break;
            case SectionOperation.AddNumber:
                code.Address(target, a, (int)step.Number);
                break;
            case SectionOperation.WrapAt:
                code.Move(target, a);
                code.MoveNumber(Gpr.R11, 0);
                code.Compare(target, (int)step.Number);
                code.MoveIfEqual(target, Gpr.R11);
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {step.Operation} has no machine code.");
        }
    }

    private static X86_64Condition Condition(SectionOperation operation) =>
        operation switch
        {
            SectionOperation.LeaveIfAtLeast => X86_64Condition.AboveOrEqual,
            SectionOperation.LeaveIfEqual or SectionOperation.LeaveIfNumber => X86_64Condition.Equal,
            _ => X86_64Condition.NotEqual,
        };

    /// <summary>r11 = the address of slot[A + N], after the check that all of it lies in the user's bytes.</summary>
    private static void SlotAddress(
        SlotShape shape,
        SectionStep step,
        Gpr offset,
        int bytes,
        X86_64Encoder code,
        SortedDictionary<int, X86_64Label> exits
    )
    {
        // without sign, so a negative offset is a very large one
        code.Compare(offset, shape.Bytes - bytes - (int)step.Number);
        code.JumpIf(X86_64Condition.Above, Exit(exits, SectionExit.OutOfSlot));
        code.Address(Gpr.R11, Gpr.Rax, shape.Header + (int)step.Number);
        code.Add(Gpr.R11, offset);
    }

    /// <summary>
    /// Copies through the scratch register or xmm0, both of which the convention lets a function change. The place in
    /// the slot is computed in RAX, which is restored afterwards: no register is left for a third address.
    /// </summary>
    private static void Copy(
        SlotShape shape,
        RegisterChoice registers,
        SectionStep step,
        X86_64Encoder code,
        SortedDictionary<int, X86_64Label> exits
    )
    {
        Gpr memory = registers[step.B];
        int place = shape.Header + (int)step.Number;
        if (step.A != SectionStep.None)
        {
            code.Compare(registers[step.A], shape.Bytes - step.Bytes - (int)step.Number);
            code.JumpIf(X86_64Condition.Above, Exit(exits, SectionExit.OutOfSlot));
            code.Add(Gpr.Rax, registers[step.A]);
        }

        bool inward = step.Operation == SectionOperation.CopyIn;
        int done = 0;
        if (step.Bytes > Unrolled)
        {
            done = step.Bytes & ~15;
            CopyLoop(memory, place, done, inward, code);
        }

        foreach (int width in (ReadOnlySpan<int>)[16, 8, 4, 2, 1])
        {
            for (; step.Bytes - done >= width; done += width)
            {
                if (inward)
                {
                    code.CopyPiece(memory, done, Gpr.Rax, place + done, width, Gpr.R11);
                }
                else
                {
                    code.CopyPiece(Gpr.Rax, place + done, memory, done, width, Gpr.R11);
                }
            }
        }

        if (step.A != SectionStep.None)
        {
            code.Subtract(Gpr.Rax, registers[step.A]);
        }
    }

    /// <summary>
    /// r11 counts up from minus the number of bytes: <c>do { xmm0 = source[r11 + bytes]; target[r11 + bytes] = xmm0; }
    /// while ((r11 += 16) != 0);</c>
    /// </summary>
    private static void CopyLoop(Gpr memory, int place, int bytes, bool inward, X86_64Encoder code)
    {
        code.MoveNumber(Gpr.R11, -(long)bytes);
        var again = new X86_64Label();
        code.Mark(again);
        code.LoadVector(inward ? memory : Gpr.Rax, inward ? bytes : place + bytes);
        code.StoreVector(inward ? Gpr.Rax : memory, inward ? place + bytes : bytes);
        code.Add(Gpr.R11, 16);
        code.JumpIf(X86_64Condition.NotEqual, again);
    }

    private static void Delay(X86_64Encoder code, int turns)
    {
        code.MoveNumber(Gpr.R11, turns);
        var again = new X86_64Label();
        code.Mark(again);
        code.Decrement32(Gpr.R11);
        code.JumpIf(X86_64Condition.NotEqual, again);
    }

    private static X86_64Label Exit(SortedDictionary<int, X86_64Label> exits, int code)
    {
        if (!exits.TryGetValue(code, out X86_64Label? label))
        {
            label = new X86_64Label();
            exits.Add(code, label);
        }

        return label;
    }
}
