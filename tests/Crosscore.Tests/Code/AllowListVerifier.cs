using System.Runtime.InteropServices;
using Crosscore.Code;
using Iced.Intel;

namespace Crosscore.Tests;

/// <summary>
/// An example of a verifier for x86-64, on Iced's decoder: every byte of every function must belong to an instruction;
/// none may enter the kernel, be privileged or jump to an address that only the run decides (but a return); every
/// branch must lead to the start of an instruction of the same function or of another function; the last must not fall
/// through; and between the functions there are traps.
/// </summary>
internal sealed class AllowListVerifier : ICodeVerifier
{
    public CodeVerdict Verify(CodeToVerify code)
    {
        if (code.Architecture != Architecture.X64)
        {
            return CodeVerdict.Refused("This verifier reads x86-64 only.");
        }

        bool[] covered = new bool[code.Bytes.Length];
        foreach (CodeFunction function in code.Functions)
        {
            covered.AsSpan(function.Offset, function.Length).Fill(true);
            if (FindFault(code, function) is { } fault)
            {
                return CodeVerdict.Refused($"{function.Name ?? "a function"} at 0x{function.Offset:x}: {fault}");
            }
        }

        for (int at = 0; at < covered.Length; at++)
        {
            if (!covered[at] && code.Bytes[at] != 0xCC)
            {
                return CodeVerdict.Refused($"The byte at 0x{at:x} belongs to no function and does not trap.");
            }
        }

        return CodeVerdict.Accepted;
    }

    private static string? FindFault(CodeToVerify code, CodeFunction function)
    {
        var starts = new HashSet<ulong>();
        var targets = new List<ulong>();
        var decoder = Decoder.Create(
            64,
            new ByteArrayCodeReader(code.Bytes.Slice(function.Offset, function.Length).ToArray()),
            (ulong)function.Offset
        );
        ulong end = (ulong)(function.Offset + function.Length);
        Instruction last = default;
        while (decoder.IP < end)
        {
            last = decoder.Decode();
            starts.Add(last.IP);
            if (last.IsInvalid)
            {
                return $"no instruction at 0x{last.IP:x}";
            }

            if (
                last.IsPrivileged
                || last.Mnemonic is Mnemonic.Syscall or Mnemonic.Sysenter
                || last.FlowControl is FlowControl.Interrupt
            )
            {
                return $"{last} at 0x{last.IP:x} is not allowed";
            }

            switch (last.FlowControl)
            {
                case FlowControl.IndirectBranch or FlowControl.IndirectCall:
                    return $"{last} at 0x{last.IP:x} leads anywhere";
                case FlowControl.UnconditionalBranch
                or FlowControl.ConditionalBranch
                or FlowControl.Call when last.Op0Kind is OpKind.NearBranch64:
                    targets.Add(last.NearBranchTarget);
                    break;
                case FlowControl.UnconditionalBranch
                or FlowControl.ConditionalBranch
                or FlowControl.Call
                or FlowControl.XbeginXabortXend:
                    return $"{last} at 0x{last.IP:x} is not allowed";
            }
        }

        if (last.FlowControl is not (FlowControl.Return or FlowControl.UnconditionalBranch))
        {
            return "it does not end";
        }

        foreach (ulong target in targets)
        {
            bool isFunction = false;
            foreach (CodeFunction other in code.Functions)
            {
                isFunction |= (ulong)other.Offset == target;
            }

            if (!starts.Contains(target) && !isFunction)
            {
                return $"a branch leads to 0x{target:x}, where no instruction begins";
            }
        }

        return null;
    }
}
