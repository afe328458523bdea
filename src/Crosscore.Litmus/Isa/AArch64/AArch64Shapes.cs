using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Which operands each instruction takes.</summary>
internal static class AArch64Shapes
{
    /// <summary>
    /// Gets what was expected instead of the operands of an instruction; <see langword="null"/> when they are right.
    /// </summary>
    public static string? ExpectedOf(AArch64Instruction instruction)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        string name = instruction.Mnemonic.Name;
        bool right = instruction.Opcode switch
        {
            AArch64Opcode.Nop => name switch
            {
                "PRFM" => operands
                    is [AArch64Word or AArch64Immediate, AArch64Memory { Indexing: AArch64Indexing.None }],
                _ => operands.Count == 0 || name is "BTI" or "DMB" or "DSB",
            },
            AArch64Opcode.Barrier or AArch64Opcode.ExceptionReturn => operands.Count <= 1,
            AArch64Opcode.Move => operands is [AArch64Register, AArch64Register or AArch64Immediate]
                || (operands is [AArch64Register, _, AArch64Word shift] && IsShift(shift)),
            AArch64Opcode.MoveKeep => operands is [AArch64Register, AArch64Immediate]
                || (operands is [AArch64Register, AArch64Immediate, AArch64Word shift] && IsShift(shift)),
            AArch64Opcode.Compute => operands is [AArch64Register, AArch64Register, AArch64Register or AArch64Immediate]
                || (
                    operands
                        is [AArch64Register, AArch64Register, AArch64Register or AArch64Immediate, AArch64Word shift]
                    && IsShift(shift)
                ),
            AArch64Opcode.Compare => operands is [AArch64Register, AArch64Register or AArch64Immediate]
                || (
                    operands is [AArch64Register, AArch64Register or AArch64Immediate, AArch64Word shift]
                    && IsShift(shift)
                ),
            AArch64Opcode.Select => name switch
            {
                "CSET" or "CSETM" => operands is [AArch64Register, AArch64Word condition] && IsCondition(condition),
                "CINC" or "CINV" or "CNEG" => operands is [AArch64Register, AArch64Register, AArch64Word condition]
                    && IsCondition(condition),
                _ => operands is [AArch64Register, AArch64Register, AArch64Register, AArch64Word condition]
                    && IsCondition(condition),
            },
            AArch64Opcode.Extend => operands is [AArch64Register, AArch64Register],
            AArch64Opcode.Address => operands is [AArch64Register, AArch64Place],
            AArch64Opcode.Load or AArch64Opcode.Store => operands is [AArch64Register, AArch64Memory],
            AArch64Opcode.LoadPair or AArch64Opcode.StorePair => operands
                is [AArch64Register first, AArch64Register second, AArch64Memory]
                && first.Width == second.Width,
            AArch64Opcode.StoreExclusive
            or AArch64Opcode.CompareAndSwap
            or AArch64Opcode.Swap
            or AArch64Opcode.LoadAndModify => operands is [AArch64Register, AArch64Register, AArch64Memory memory]
                && IsPlain(memory),
            AArch64Opcode.StoreModified => operands is [AArch64Register, AArch64Memory memory] && IsPlain(memory),
            AArch64Opcode.Branch or AArch64Opcode.BranchIf or AArch64Opcode.BranchLink => operands is [AArch64Place],
            AArch64Opcode.CompareAndBranch => operands is [AArch64Register, AArch64Place],
            AArch64Opcode.TestAndBranch => operands is [AArch64Register, AArch64Immediate, AArch64Place],
            AArch64Opcode.BranchRegister or AArch64Opcode.BranchLinkRegister => operands is [AArch64Register],
            AArch64Opcode.Return => operands is [] or [AArch64Register],
            AArch64Opcode.CleanCode => operands is [AArch64Word { Text: "CVAU" or "CIVAC" or "CVAC" }, AArch64Register],
            AArch64Opcode.InvalidateCode => operands
                is [AArch64Word { Text: "IVAU" }, AArch64Register]
                    or [AArch64Word { Text: "IALLU" or "IALLUIS" }],
            AArch64Opcode.InvalidateTranslation => IsInvalidation(operands),
            AArch64Opcode.ReadSystem => operands is [AArch64Register, AArch64Word { Text: "ELR_EL1" or "CTR_EL0" }],
            AArch64Opcode.WriteSystem => operands is [AArch64Word { Text: "ELR_EL1" }, AArch64Register],
            AArch64Opcode.SupervisorCall or AArch64Opcode.Undefined => operands is [AArch64Immediate],
            _ => true,
        };
        return right ? NoSuchForm(instruction) : Expected(instruction.Opcode, name);
    }

    // Forms that no assembler encodes, or for which the Arm ARM promises nothing (CONSTRAINED UNPREDICTABLE): a verdict
    // on them would be about no program.
    private static string? NoSuchForm(AArch64Instruction instruction)
    {
        AArch64Register[] data =
        [
            .. instruction.Operands.OfType<AArch64Register>().Where(register => !register.IsZero),
        ];
        if (instruction.Operands.OfType<AArch64Memory>().FirstOrDefault() is not AArch64Memory memory)
        {
            return null;
        }

        bool writesBack = memory.Indexing != AArch64Indexing.None;
        bool isOrdered =
            (instruction.Mnemonic.LoadOrder | instruction.Mnemonic.StoreOrder) != AccessOrder.Plain
            && instruction.Opcode is AArch64Opcode.Load or AArch64Opcode.Store
            && !instruction.Mnemonic.Name.Contains("UR", StringComparison.Ordinal);
        int reach = instruction.Opcode is AArch64Opcode.LoadPair or AArch64Opcode.StorePair ? 512 : 256;
        return instruction.Opcode == AArch64Opcode.StoreExclusive
            && instruction.Operands[0] is AArch64Register { IsZero: false } status
            && (
                status.Number == memory.Base.Number
                || status.Number == ((AArch64Register)instruction.Operands[1]).Number
            )
                ? "a register for the status that is neither the data nor the base"
            : instruction.Opcode == AArch64Opcode.LoadPair && data.Length == 2 && data[0].Number == data[1].Number
                ? "two different registers to load"
            : writesBack && data.Any(register => register.Number == memory.Base.Number)
                ? "a base that is written back and is not the data"
            : writesBack && memory.Offset is AArch64Register ? "a constant behind the brackets"
            : writesBack
            && memory.Offset is AArch64Immediate { Value: var offset }
            && (offset < -reach || offset >= reach)
                ? $"a constant from -{reach} to {reach - 1} for writing back"
            : isOrdered && !writesBack && !IsPlain(memory) ? $"{instruction.Mnemonic.Name} Wt,[Xn] without an offset"
            : null;
    }

    private static bool IsInvalidation(IReadOnlyList<AArch64Operand> operands)
    {
        string what = operands is [AArch64Word word, ..] ? word.Text : "";
        what =
            what.EndsWith("IS", StringComparison.Ordinal) || what.EndsWith("OS", StringComparison.Ordinal)
                ? what[..^2]
                : what;
        return what == "VMALLE1"
            ? operands.Count == 1
            : what is "VAE1" or "VAAE1" or "VALE1" or "VAALE1" or "ASIDE1"
                && operands is [_, AArch64Register { Width: 8 }];
    }

    private static bool IsPlain(AArch64Memory memory) =>
        memory.Indexing == AArch64Indexing.None && memory.Offset is null or AArch64Immediate { Value: 0 };

    private static bool IsShift(AArch64Word word) => word.Text.Contains(' ', StringComparison.Ordinal);

    private static bool IsCondition(AArch64Word word) => AArch64Mnemonic.FindCondition(word.Text) is not null;

    private static string Expected(AArch64Opcode opcode, string name) =>
        opcode switch
        {
            AArch64Opcode.Load or AArch64Opcode.Store =>
                $"{name} Wt,[Xn] with an offset, an index register, [..]! or [..],#n",
            AArch64Opcode.LoadPair or AArch64Opcode.StorePair =>
                $"{name} Wt,Wu,[Xn] with two registers of the same width",
            AArch64Opcode.StoreExclusive => $"{name} Ws,Wt,[Xn]",
            AArch64Opcode.CompareAndSwap or AArch64Opcode.Swap or AArch64Opcode.LoadAndModify => $"{name} Ws,Wt,[Xn]",
            AArch64Opcode.Select => $"{name} with registers and a condition such as EQ",
            AArch64Opcode.CleanCode => "DC CVAU,Xn",
            AArch64Opcode.InvalidateCode => "IC IVAU,Xn, IC IALLU or IC IALLUIS",
            AArch64Opcode.InvalidateTranslation =>
                "TLBI VMALLE1, or TLBI VAE1,Xn, VAAE1, VALE1, VAALE1 or ASIDE1, each also with IS or OS",
            AArch64Opcode.ReadSystem => "MRS Xn,ELR_EL1 or MRS Xn,CTR_EL0",
            AArch64Opcode.WriteSystem => "MSR ELR_EL1,Xn",
            AArch64Opcode.Branch or AArch64Opcode.BranchIf or AArch64Opcode.BranchLink =>
                $"{name} and a label of the column",
            _ => $"other operands of {name}",
        };
}
