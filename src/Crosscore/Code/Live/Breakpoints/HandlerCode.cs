using Crosscore.Linux;
using static Crosscore.Code.BreakpointControl;

namespace Crosscore.Code;

/// <summary>
/// The SIGTRAP handler, as machine code: no managed code may run in a signal handler, and none is needed. A pure
/// function from addresses to bytes.
/// </summary>
/// <remarks>
/// In C, with the registers (what a call may change, and the arguments rdi, rsi and rdx, which stay as they are for the
/// handler before us):
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
///     serialise()                                        // what we send it to may have been written just now
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
///     if (*previous == SIG_IGN &amp;&amp; info->si_code &lt;= 0) return;   // the kernel lets nobody ignore an instruction's own signal
///     if (*previous is SIG_DFL or SIG_IGN) { set the default action again; send the signal once more; return }
///     jmp *previous
/// </code>
/// <para>A late trap: the thread met INT3, and before it came here the patch ended and its table went. Where it stood
/// an instruction begins for ever (<see cref="InstructionMap"/>), so it executes there what stands there now.</para>
/// <para>Version before Table, pairs with <see cref="Publish"/>, which stores them in the opposite order, and then
/// INT3: who saw an INT3 and still sees the version it read before has read a table that knows it
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

    /// <param name="control">The address of <see cref="BreakpointControl"/>'s block.</param>
    /// <param name="rangeStart">The range in which code of this library lies.</param>
    /// <param name="rangeLength">Its length.</param>
    /// <param name="previous">The address of a word that holds the handler before us, SIG_DFL or SIG_IGN: a word,
    /// because who was before us is known for certain only after we are in place.</param>
    public static byte[] Emit(nint control, nint rangeStart, nint rangeLength, nint previous) =>
        new CodeEmitter()
            .Bytes(0x81, 0x7E, 0x08)
            .Bytes(Signals.SI_KERNEL, 0, 0, 0) // cmp dword [rsi+8], SI_KERNEL
            .Jump("chain", 0x0F, 0x85) // jne chain
            .Bytes(0x49, 0xBB)
            .Number(control) // mov r11, control
            .Bytes(0xF0, 0x49, 0xFF, 0x43, Inflight) // lock inc qword [r11+Inflight]
            .Label("again")
            .Bytes(0x49, 0x8B, 0x4B, VersionOffset) // mov rcx, [r11+Version]
            .Bytes(0x4C, 0x8B, 0x82, 0xA8, 0, 0, 0) // mov r8, [rdx+168]        uc_mcontext.gregs[REG_RIP]
            .Bytes(0x49, 0xFF, 0xC8) // dec r8
            .Bytes(0x4D, 0x8B, 0x4B, TableOffset) // mov r9, [r11+Table]
            .Bytes(0x4D, 0x85, 0xC9) // test r9, r9
            .Jump("unknown", 0x0F, 0x84) // je unknown
            .Bytes(0x49, 0x69, 0xC0)
            .Bytes(BitConverter.GetBytes(HashFactor)) // imul rax, r8, HashFactor
            .Bytes(0x48, 0xC1, 0xE8, HashShift) // shr rax, HashShift
            .Label("probe")
            .Bytes(0x49, 0x23, 0x01) // and rax, [r9]            the mask
            .Bytes(0x49, 0x89, 0xC2) // mov r10, rax
            .Bytes(0x49, 0xC1, 0xE2, 0x05) // shl r10, 5
            .Bytes(0x4F, 0x8D, 0x54, 0x11, EntriesOffset) // lea r10, [r9+r10+EntriesOffset]
            .Bytes(0x4D, 0x39, 0x02) // cmp [r10], r8
            .Jump("found", 0x0F, 0x84) // je found
            .Bytes(0x49, 0x83, 0x3A, 0x00) // cmp qword [r10], 0
            .Jump("unknown", 0x0F, 0x84) // je unknown
            .Bytes(0x48, 0xFF, 0xC0) // inc rax
            .Jump("probe", 0xE9) // jmp probe
            .Label("found")
            .Bytes(0xF0, 0x49, 0xFF, 0x42, 0x18) // lock inc qword [r10+24]
            .Bytes(0xF0, 0x49, 0xFF, 0x43, MetOffset) // lock inc qword [r11+Met]
            .Jump("serialise", 0xE8) // call serialise           changes rax and rcx only
            .Bytes(0x49, 0x8B, 0x42, 0x08) // mov rax, [r10+8]         target
            .Bytes(0x49, 0x8B, 0x4A, 0x10) // mov rcx, [r10+16]        return address
            .Bytes(0x48, 0x85, 0xC9) // test rcx, rcx
            .Jump("resume", 0x0F, 0x84) // je resume
            .Bytes(0x4C, 0x8B, 0x82, 0xA0, 0, 0, 0) // mov r8, [rdx+160]        uc_mcontext.gregs[REG_RSP]
            .Bytes(0x49, 0x83, 0xE8, 0x08) // sub r8, 8
            .Bytes(0x49, 0x89, 0x08) // mov [r8], rcx
            .Bytes(0x4C, 0x89, 0x82, 0xA0, 0, 0, 0) // mov [rdx+160], r8
            .Label("resume")
            .Bytes(0x48, 0x89, 0x82, 0xA8, 0, 0, 0) // mov [rdx+168], rax
            .Bytes(0xF0, 0x49, 0xFF, 0x4B, Inflight, 0xC3) // lock dec qword [r11+Inflight]; ret
            .Label("unknown")
            .Bytes(0x48, 0xB8)
            .Number(rangeStart) // mov rax, rangeStart
            .Bytes(0x4D, 0x89, 0xC1) // mov r9, r8
            .Bytes(0x49, 0x29, 0xC1) // sub r9, rax
            .Bytes(0x48, 0xB8)
            .Number(rangeLength) // mov rax, rangeLength
            .Bytes(0x49, 0x39, 0xC1) // cmp r9, rax
            .Jump("leave", 0x0F, 0x83) // jae leave
            .Bytes(0x41, 0x80, 0x38, 0xCC) // cmp byte [r8], 0xCC      it was executed just now, so it can be read
            .Jump("late", 0x0F, 0x85) // jne late
            .Bytes(0x49, 0x3B, 0x4B, VersionOffset) // cmp rcx, [r11+Version]
            .Jump("again", 0x0F, 0x85) // jne again
            .Label("leave")
            .Bytes(0xF0, 0x49, 0xFF, 0x4B, Inflight) // lock dec qword [r11+Inflight]
            .Jump("chain", 0xE9) // jmp chain
            .Label("late")
            .Bytes(0xF0, 0x49, 0xFF, 0x43, LateOffset) // lock inc qword [r11+Late]
            .Bytes(0x4C, 0x89, 0x82, 0xA8, 0, 0, 0) // mov [rdx+168], r8
            .Bytes(0xF0, 0x49, 0xFF, 0x4B, Inflight, 0xC3) // lock dec qword [r11+Inflight]; ret
            .Label("serialise")
            .Bytes(SerializingInstruction.ForThisMachine())
            .Label("chain")
            .Bytes(0x48, 0xB8)
            .Number(previous) // mov rax, previous
            .Bytes(0x48, 0x8B, 0x00) // mov rax, [rax]
            .Bytes(0x48, 0x83, 0xF8, (byte)Signals.SIG_IGN) // cmp rax, SIG_IGN
            .Jump("default", 0x0F, 0x82) // jb default              SIG_DFL
            .Jump("ignore", 0x0F, 0x84) // je ignore
            .Bytes(0xFF, 0xE0) // jmp rax
            .Label("ignore")
            .Bytes(0x83, 0x7E, 0x08, 0x00) // cmp dword [rsi+8], 0
            .Jump("default", 0x0F, 0x8F) // jg default
            .Bytes(0xC3) // ret
            .Label("default")
            // What would have happened without us: the action is set to the default again and the signal sent once
            // more; it arrives at the end of this handler, which blocks it.
            // push 0, four times      the kernel's struct sigaction: SIG_DFL
            .Bytes(0x6A, 0x00, 0x6A, 0x00, 0x6A, 0x00, 0x6A, 0x00)
            .Bytes(0xB8, 13, 0, 0, 0) // mov eax, rt_sigaction
            .Bytes(0xBF, Signals.SIGTRAP, 0, 0, 0) // mov edi, SIGTRAP
            .Bytes(0x48, 0x89, 0xE6) // mov rsi, rsp
            .Bytes(0x31, 0xD2) // xor edx, edx
            .Bytes(0x41, 0xBA, 8, 0, 0, 0) // mov r10d, 8             bytes of a signal set
            .Bytes(0x0F, 0x05) // syscall
            .Bytes(0x48, 0x83, 0xC4, 0x20) // add rsp, 32
            .Bytes(0xB8, 186, 0, 0, 0, 0x0F, 0x05) // mov eax, gettid; syscall
            .Bytes(0x89, 0xC7) // mov edi, eax
            .Bytes(0xBE, Signals.SIGTRAP, 0, 0, 0) // mov esi, SIGTRAP
            .Bytes(0xB8, 200, 0, 0, 0, 0x0F, 0x05, 0xC3) // mov eax, tkill; syscall; ret
            .ToArray();
}
