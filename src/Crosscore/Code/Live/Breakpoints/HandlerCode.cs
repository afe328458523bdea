using Crosscore.Isa;
using Crosscore.Linux;
using static Crosscore.Code.BreakpointControl;

namespace Crosscore.Code;

/// <summary>
/// The SIGTRAP handler, as machine code: no managed code may run in a signal handler, and none is needed. A pure
/// function from addresses to bytes.
/// </summary>
/// <remarks>
/// In C, with the registers (those that a call may change, and the arguments rdi, rsi and rdx, which stay as they are
/// for the handler before us):
/// <code>
/// handler(signal, info, context):
///     if (info->si_code != SI_KERNEL) goto chain;       // kill(2) and the like: not for us
///     lock inc control.Inflight                          // r11 = control
/// again:
///     rcx = control.Version; r8 = context->rip - 1;      // where INT3 stands
///     r9 = control.Table
///     for (i = hash(r8); r10 = &amp;r9->entries[i &amp; r9->mask]; i++) {
///         if (r10->address == r8) goto found;
///         if (r10->address == 0) goto unknown;
///     }
/// found:
///     lock inc r10->hits; lock inc control.Met
///     serialize()                                        // what we send it to may have been written just now
///     if (r10->returnAddress) push it on the stack of the context
///     context->rip = r10->target
///     lock dec control.Inflight; return
/// unknown:
///     if (r8 is in the range for code) {
///         if (*r8 != INT3) { lock inc control.Late; context->rip = r8; lock dec control.Inflight; return }
///         if (control.Version != rcx) goto again;        // that INT3 may be of a patch younger than the table
///     }
///     lock dec control.Inflight
/// chain:
///     // an instruction's own signal cannot be ignored
///     if (*previous == SIG_IGN &amp;&amp; info->si_code &lt;= 0) return;
///     if (*previous is SIG_DFL or SIG_IGN) { set the default action again; send the signal again; return }
///     jmp *previous
/// </code>
/// <para>A late trap: the thread met INT3, and before it came here the patch ended and its table was retired. An
/// instruction begins there permanently (<see cref="InstructionMap"/>), so it executes there what stands there
/// now.</para>
/// <para>Version before Table, pairs with <see cref="Publish"/>, which stores them in the opposite order, and then
/// INT3: a thread that saw an INT3 and still sees the version it read before has read a table that knows it
/// (litmus/code/Handler.LateTrap.litmus). Inflight before Table, pairs with <see cref="IsQuiet"/>: if we are first it
/// sees us, if it is first we see no table (litmus/code/Handler.TableReuse.litmus).</para>
/// </remarks>
internal static class HandlerCode
{
    /// <summary>Spreads addresses over a table; the upper bits of the product are used.</summary>
    public const int HashFactor = unchecked((int)0x9E3779B1);

    public const int HashShift = 16;

    public const int EntriesOffset = 32;

    public const int EntrySize = 32;

    // struct siginfo: si_code; ucontext_t: uc_mcontext.gregs[REG_RSP] and [REG_RIP].
    private const int SiCode = 8;
    private const int StackPointer = 160;
    private const int InstructionPointer = 168;

    // An entry of a table.
    private const int Target = 8;
    private const int ReturnAddress = 16;
    private const int Hits = 24;

    // System calls by their numbers: arch/x86/entry/syscalls/syscall_64.tbl.
    private const int RtSigaction = 13;
    private const int GetThreadId = 186;
    private const int ThreadKill = 200;

    /// <param name="control">The address of <see cref="BreakpointControl"/>'s block.</param>
    /// <param name="rangeStart">The range in which code of this library lies.</param>
    /// <param name="rangeLength">Its length.</param>
    /// <param name="previous">The address of a word that holds the handler before us, SIG_DFL or SIG_IGN. A word,
    /// because which handler was before us is known for certain only after we are in place.</param>
    public static byte[] Emit(nint control, nint rangeStart, nint rangeLength, nint previous)
    {
        var code = new X86_64Encoder();
        var again = new X86_64Label();
        var found = new X86_64Label();
        var unknown = new X86_64Label();
        var chain = new X86_64Label();
        code.CompareInMemory(Gpr.Rsi, SiCode, Signals.SI_KERNEL, bytes: 4);
        code.JumpIf(X86_64Condition.NotEqual, chain);
        code.MoveWide(Gpr.R11, control);
        code.IncrementLocked(Gpr.R11, Inflight);
        code.Mark(again);
        LookUp(code, found, unknown);
        code.Mark(found);
        SendOn(code);
        code.Mark(unknown);
        LookAtInstruction(code, rangeStart, rangeLength, again, chain);
        code.Mark(chain);
        PassOn(code, previous);
        return code.ToArray();
    }

    /// <summary>rcx = Version; r8 = where INT3 stands; r10 = its entry, if the table has one.</summary>
    private static void LookUp(X86_64Encoder code, X86_64Label found, X86_64Label unknown)
    {
        var probe = new X86_64Label();
        code.Load(Gpr.Rcx, Gpr.R11, VersionOffset);
        code.Load(Gpr.R8, Gpr.Rdx, InstructionPointer);
        code.Decrement(Gpr.R8);
        code.Load(Gpr.R9, Gpr.R11, TableOffset);
        code.Test(Gpr.R9, Gpr.R9);
        code.JumpIf(X86_64Condition.Equal, unknown);
        code.Multiply(Gpr.Rax, Gpr.R8, HashFactor);
        code.ShiftRight(Gpr.Rax, HashShift);
        code.Mark(probe);
        code.AndFromMemory(Gpr.Rax, Gpr.R9); // the mask
        code.Move(Gpr.R10, Gpr.Rax);
        code.ShiftLeft(Gpr.R10, 5); // EntrySize
        code.Address(Gpr.R10, Gpr.R9, Gpr.R10, EntriesOffset);
        code.CompareInMemory(Gpr.R10, Gpr.R8);
        code.JumpIf(X86_64Condition.Equal, found);
        code.CompareInMemory(Gpr.R10, 0, 0);
        code.JumpIf(X86_64Condition.Equal, unknown);
        code.Increment(Gpr.Rax);
        code.Jump(probe);
    }

    /// <summary>
    /// The thread continues where its entry says; a return address is pushed first, if the entry has one.
    /// </summary>
    private static void SendOn(X86_64Encoder code)
    {
        var resume = new X86_64Label();
        var serialize = new X86_64Label();
        code.IncrementLocked(Gpr.R10, Hits);
        code.IncrementLocked(Gpr.R11, MetOffset);
        code.Call(serialize); // changes rax and rcx only
        code.Load(Gpr.Rax, Gpr.R10, Target);
        code.Load(Gpr.Rcx, Gpr.R10, ReturnAddress);
        code.Test(Gpr.Rcx, Gpr.Rcx);
        code.JumpIf(X86_64Condition.Equal, resume);
        code.Load(Gpr.R8, Gpr.Rdx, StackPointer);
        code.Subtract(Gpr.R8, 8);
        code.Store(Gpr.R8, 0, Gpr.Rcx);
        code.Store(Gpr.Rdx, StackPointer, Gpr.R8);
        code.Mark(resume);
        code.Store(Gpr.Rdx, InstructionPointer, Gpr.Rax);
        code.DecrementLocked(Gpr.R11, Inflight);
        code.Return();
        code.Mark(serialize);
        code.Append(SerializingInstruction.ForThisMachine());
    }

    /// <summary>For a breakpoint that no table has: a late trap, a younger patch, or not ours.</summary>
    private static void LookAtInstruction(
        X86_64Encoder code,
        nint rangeStart,
        nint rangeLength,
        X86_64Label again,
        X86_64Label chain
    )
    {
        var leave = new X86_64Label();
        var late = new X86_64Label();
        code.MoveWide(Gpr.Rax, rangeStart);
        code.Move(Gpr.R9, Gpr.R8);
        code.Subtract(Gpr.R9, Gpr.Rax);
        code.MoveWide(Gpr.Rax, rangeLength);
        code.Compare(Gpr.R9, Gpr.Rax);
        code.JumpIf(X86_64Condition.AboveOrEqual, leave);

        // It was executed just now, so it can be read.
        code.CompareInMemory(Gpr.R8, 0, X86_64Encoder.Int3, bytes: 1);
        code.JumpIf(X86_64Condition.NotEqual, late);
        code.CompareWithMemory(Gpr.Rcx, Gpr.R11, VersionOffset);
        code.JumpIf(X86_64Condition.NotEqual, again);
        code.Mark(leave);
        code.DecrementLocked(Gpr.R11, Inflight);
        code.Jump(chain);
        code.Mark(late);
        code.IncrementLocked(Gpr.R11, LateOffset);
        code.Store(Gpr.Rdx, InstructionPointer, Gpr.R8);
        code.DecrementLocked(Gpr.R11, Inflight);
        code.Return();
    }

    /// <summary>To the handler before us, or what would have happened without us.</summary>
    private static void PassOn(X86_64Encoder code, nint previous)
    {
        var ignore = new X86_64Label();
        var byDefault = new X86_64Label();
        code.MoveWide(Gpr.Rax, previous);
        code.Load(Gpr.Rax, Gpr.Rax, 0);
        code.Compare(Gpr.Rax, (int)Signals.SIG_IGN);
        code.JumpIf(X86_64Condition.Below, byDefault); // SIG_DFL
        code.JumpIf(X86_64Condition.Equal, ignore);
        code.Jump(Gpr.Rax);
        code.Mark(ignore);
        code.CompareInMemory(Gpr.Rsi, SiCode, 0, bytes: 4);
        code.JumpIf(X86_64Condition.Greater, byDefault);
        code.Return();
        code.Mark(byDefault);

        // The action is set to the default again and the signal sent again. It arrives at the end of this handler,
        // which blocks it.
        for (int word = 0; word < 4; word++)
        {
            code.PushNumber(0); // the kernel's struct sigaction: SIG_DFL
        }

        code.MoveNumber(Gpr.Rax, RtSigaction);
        code.MoveNumber(Gpr.Rdi, Signals.SIGTRAP);
        code.Move(Gpr.Rsi, Gpr.Rsp);
        code.MoveNumber(Gpr.Rdx, 0);
        code.MoveNumber(Gpr.R10, sizeof(ulong)); // bytes of a signal set
        code.SystemCall();
        code.Add(Gpr.Rsp, 4 * sizeof(ulong));
        code.MoveNumber(Gpr.Rax, GetThreadId);
        code.SystemCall();
        code.Move32(Gpr.Rdi, Gpr.Rax);
        code.MoveNumber(Gpr.Rsi, Signals.SIGTRAP);
        code.MoveNumber(Gpr.Rax, ThreadKill);
        code.SystemCall();
        code.Return();
    }
}
