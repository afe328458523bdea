using System.Runtime.InteropServices;

namespace Crosscore.Isa;

/// <summary>
/// Functions that only serialize the core they run on: C# has none of these instructions. They change no register but
/// RAX and RCX, so machine code of this library can call them, too.
/// </summary>
internal static class SerializingFunctions
{
    /// <summary>serialize: Intel SDM vol. 2, on processors that have it.</summary>
    public static byte[] Serialize()
    {
        var code = new X86_64Encoder();
        code.Serialize();
        code.Return();
        return code.ToArray();
    }

    /// <summary>
    /// iretq to the next instruction. Under a shadow stack it would take its return address from that stack, where it
    /// is not, so there the function executes cpuid.
    /// </summary>
    public static byte[] IretOrCpuid()
    {
        var code = new X86_64Encoder();
        var shadow = new X86_64Label();
        var back = new X86_64Label();
        code.MoveNumber(Gpr.Rax, 0);
        code.ReadShadowStackPointer(); // no effect without a shadow stack
        code.Test(Gpr.Rax, Gpr.Rax);
        code.JumpIf(X86_64Condition.NotEqual, shadow);
        code.Move(Gpr.Rcx, Gpr.Rsp);
        code.LoadStackSegment(); // What iretq takes from the stack: ss, rsp, flags, cs, rip.
        code.Push(Gpr.Rax);
        code.Push(Gpr.Rcx);
        code.PushFlags();
        code.LoadCodeSegment();
        code.Push(Gpr.Rax);
        code.AddressInRax(back);
        code.Push(Gpr.Rax);
        code.InterruptReturn();
        code.Mark(back);
        code.Return();
        code.Mark(shadow);
        code.Push(Gpr.Rbx);
        code.Push(Gpr.Rdx);
        code.MoveNumber(Gpr.Rax, 0);
        code.CpuId();
        code.Pop(Gpr.Rdx);
        code.Pop(Gpr.Rbx);
        code.Return();
        return code.ToArray();
    }

    /// <summary>isb: AArch64.</summary>
    public static byte[] Isb() =>
        [.. MemoryMarshal.AsBytes<uint>([AArch64Instructions.InstructionBarrier, AArch64Instructions.Return])];
}
