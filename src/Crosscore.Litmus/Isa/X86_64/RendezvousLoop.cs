using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Syntax;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// The machine code around one column in rendezvous mode. For each iteration, with registers that the column gets
/// afterwards:
/// <code>
///     fetch lines of a later instance, each for reading, for writing, or not, as two bit masks say
///     line[me] = ++arrival                    // plain store
///     mfence                                  // my arrival is visible before I look around: none starts far ahead
///     for each other:
///         while (line[other] &lt; arrival) ;     // at intervals: leave if asked to, yield the processor
///     if (remaining-- == 0) leave
///     for (n = *delays++; n != 0; n--) ;
///     registers and flags as the test says; the column; observed registers into results
/// </code>
/// Correct without any fence: stores of x86 become visible in program order, so who sees my arrival at iteration n + 1
/// sees what I did in iteration n, results included; and no load of the column can run ahead of the loads that saw the
/// others arrive (Intel SDM vol. 3, 9.2.2; AMD64 APM vol. 2, 7.2). Each arrival pairs with the waiting of the others:
/// the first of a batch separates making memory from using it, the last one (there is one more than iterations) using
/// it from counting. Without the waiting, Store_buffering_with_fences_never_shows_it fails; without the last one,
/// More_columns_than_processors_end_and_say_so. The fence only makes weak outcomes more frequent.
/// </summary>
internal static class RendezvousLoop
{
    private const int ResultSlot = Frame.Loop;
    private const int DelaySlot = Frame.Loop + 8;
    private const int PrefetchSlot = Frame.Loop + 16;
    private const int ArrivalSlot = Frame.Loop + 24;
    private const int RemainingSlot = Frame.Loop + 32;
    private const int PatienceSlot = Frame.Loop + 40;
    private const int ReadSlot = Frame.Loop + 48;
    private const int WriteSlot = Frame.Loop + 56;
    private const int SchedYield = 24; // arch/x86/entry/syscalls/syscall_64.tbl

    /// <summary>Assembles the function for one column.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="registers">The column's registers.</param>
    public static byte[] Assemble(LitmusTest test, MemoryLayout layout, ColumnRegisters registers)
    {
        var assembler = new X86_64Assembler(test, layout, registers);
        Assembler emit = assembler.Emit;
        int me = registers.Column.Id;

        assembler.Enter(
            RendezvousControl.Shared,
            (RendezvousControl.Instance, Frame.Instance),
            (RendezvousControl.Results, ResultSlot),
            (RendezvousControl.Delays, DelaySlot),
            (RendezvousControl.Prefetch, PrefetchSlot),
            (RendezvousControl.Arrival, ArrivalSlot),
            (RendezvousControl.Remaining, RemainingSlot),
            (RendezvousControl.Patience, PatienceSlot),
            (RendezvousControl.Read, ReadSlot),
            (RendezvousControl.Write, WriteSlot)
        );

        Label top = emit.CreateLabel();
        emit.Label(ref top);
        Prefetch(emit, layout);
        emit.mov(r9, X86_64Assembler.Slot(DelaySlot));
        emit.mov(ebx, __dword_ptr[r9]);
        emit.add(r9, sizeof(int));
        emit.mov(X86_64Assembler.Slot(DelaySlot), r9);
        emit.mov(rsi, X86_64Assembler.Slot(Frame.Shared));
        emit.mov(rax, X86_64Assembler.Slot(ArrivalSlot));
        emit.inc(rax);
        emit.mov(X86_64Assembler.Slot(ArrivalSlot), rax);
        emit.mov(__qword_ptr[rsi + SharedBlock.Line(me)], rax);
        emit.mfence();
        for (int other = 0; other < test.Threads.Count; other++)
        {
            if (other != me)
            {
                AwaitArrival(assembler, other);
            }
        }

        emit.dec(X86_64Assembler.Slot(RemainingSlot));
        emit.js(assembler.Exit);
        Delay(emit);
        emit.mov(assembler.Base, X86_64Assembler.Slot(Frame.Instance));
        assembler.SetInitialRegisters();
        assembler.Column();

        emit.mov(assembler.Base, X86_64Assembler.Slot(ResultSlot));
        for (int index = 0; index < registers.Observed.Count; index++)
        {
            emit.mov(__qword_ptr[assembler.Base + (8 * index)], X86_64Assembler.Of(registers.Observed[index]));
        }

        emit.add(X86_64Assembler.Slot(ResultSlot), 8 * registers.Observed.Count);
        emit.add(X86_64Assembler.Slot(Frame.Instance), layout.Size);
        emit.jmp(top);
        assembler.Leave(RendezvousControl.Answer);
        return assembler.ToBytes();
    }

    // A line that both cores share makes a store take long and a load hit; one that a core owns lets it store at once.
    // The branches go the same way for a whole batch.
    private static void Prefetch(Assembler emit, MemoryLayout layout)
    {
        emit.mov(rdx, X86_64Assembler.Slot(PrefetchSlot));
        emit.mov(rax, X86_64Assembler.Slot(ReadSlot));
        emit.mov(rcx, X86_64Assembler.Slot(WriteSlot));
        for (int line = 0; line < layout.Size / MemoryLayout.Line; line++)
        {
            Label unread = emit.CreateLabel();
            Label unwritten = emit.CreateLabel();
            emit.bt(rax, (sbyte)(line % 64));
            emit.jnc(unread);
            emit.prefetcht0(__[rdx + (line * MemoryLayout.Line)]);
            emit.Label(ref unread);
            emit.bt(rcx, (sbyte)(line % 64));
            emit.jnc(unwritten);
            emit.prefetchw(__[rdx + (line * MemoryLayout.Line)]);
            emit.Label(ref unwritten);
            emit.zero_bytes();
        }

        emit.add(rdx, layout.Size);
        emit.mov(X86_64Assembler.Slot(PrefetchSlot), rdx);
    }

    // rsi: shared block, rax: the arrival number to wait for; both survive, and so does the delay in rbx.
    private static void AwaitArrival(X86_64Assembler assembler, int other)
    {
        Assembler emit = assembler.Emit;
        Label again = emit.CreateLabel();
        Label look = emit.CreateLabel();
        Label arrived = emit.CreateLabel();
        emit.Label(ref again);
        emit.mov(rcx, X86_64Assembler.Slot(PatienceSlot));
        emit.Label(ref look);
        emit.cmp(__qword_ptr[rsi + SharedBlock.Line(other)], rax);
        emit.jae(arrived);
        emit.dec(rcx);
        emit.jne(look);
        emit.cmp(__dword_ptr[rsi + SharedBlock.Leave], 0);
        emit.jne(assembler.Exit);
        emit.mov(X86_64Assembler.Slot(Frame.Saved), rax);
        emit.mov(eax, SchedYield);
        emit.syscall();
        emit.mov(rax, X86_64Assembler.Slot(Frame.Saved));
        emit.jmp(again);
        emit.Label(ref arrived);
        emit.zero_bytes();
    }

    private static void Delay(Assembler emit)
    {
        Label wait = emit.CreateLabel();
        Label done = emit.CreateLabel();
        emit.test(ebx, ebx);
        emit.je(done);
        emit.Label(ref wait);
        emit.dec(ebx);
        emit.jne(wait);
        emit.Label(ref done);
        emit.zero_bytes();
    }
}
